"""The module in the test host, with a fresh MRML scene for every test."""

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
