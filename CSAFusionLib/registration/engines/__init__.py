"""The programs that find a transform, one file each, with the same ``run``; those that may crash run as a child."""
