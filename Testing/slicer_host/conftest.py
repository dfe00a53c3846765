"""A fresh MRML scene for every test, a place for the worker's files, and the module for what needs its surroundings."""

from Testing.host.fixtures import (  # noqa: F401
    WITHOUT_SLICER,
    application,
    child_does,
    module,
    panel,
    scene,
    temporary_folder,
    volumes,
)

collect_ignore_glob = WITHOUT_SLICER
