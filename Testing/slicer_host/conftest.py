"""A fresh MRML scene for every test, a place for the worker's files, and the module for what needs its surroundings."""

from Testing.end_to_end.conftest import heads  # noqa: F401
from Testing.host.fixtures import (  # noqa: F401
    WITHOUT_SLICER,
    application,
    batches,
    child_does,
    module,
    panel,
    scene,
    temporary_folder,
    volumes,
)

collect_ignore_glob = WITHOUT_SLICER
