"""The fixtures of the folder above serve here too; without Slicer's libraries nothing is collected."""

from Testing.host.fixtures import WITHOUT_SLICER

collect_ignore_glob = WITHOUT_SLICER
