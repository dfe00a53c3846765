"""Run heavy work in a child process, so that the application stays usable whatever happens."""
