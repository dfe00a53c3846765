"""The heavy work in a process of its own, so that the application that asked for it stays usable, whatever happens."""
