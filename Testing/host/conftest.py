"""The host's own tests need Slicer's MRML libraries."""

from Testing.host.fixtures import WITHOUT_SLICER, scene  # noqa: F401

collect_ignore_glob = WITHOUT_SLICER
