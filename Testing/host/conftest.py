"""The host's own tests need Slicer's MRML libraries."""

from Testing.host.fixtures import WITHOUT_SLICER, application, module, scene, temporary_folder, volumes  # noqa: F401

collect_ignore_glob = WITHOUT_SLICER
