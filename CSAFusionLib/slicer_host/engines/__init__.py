"""Registration by Slicer's own programs and by its extensions; every other method runs in the child process."""
