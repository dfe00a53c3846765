"""A fresh MRML scene for every test, and a place for the worker's files."""

from Testing.host.fixtures import WITHOUT_SLICER, scene, temporary_folder  # noqa: F401

collect_ignore_glob = WITHOUT_SLICER
