"""Fuse many pairs in one command: the cases, the engine that runs them in parallel, and the layout of the results."""
