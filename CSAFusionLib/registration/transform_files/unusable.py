"""Why a transform file cannot be used."""

from __future__ import annotations


class Unusable(ValueError):
    """What is wrong with a transform file and what to do, as the end of a sentence that begins with its name."""
