"""Heavy work in a process of its own, so that the application stays usable whatever happens."""
