"""A run on input that comes with a package: a real T1 template, and a PET simulated from its tissue maps."""
