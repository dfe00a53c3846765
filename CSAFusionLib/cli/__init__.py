"""The command ``csafusion``: one file for each command, and what the commands share."""
