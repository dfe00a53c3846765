"""A fresh MRML scene for every test, and a place for the worker's files."""

from Testing.host.fixtures import scene, temporary_folder  # noqa: F401
