"""A few pairs that stand for many."""

from __future__ import annotations

from collections.abc import Sequence

from CSAFusionLib.training.pairs import ImagePair


def middles_of_equal_parts(pairs: Sequence[ImagePair], count: int) -> list[ImagePair]:
    """Return at most ``count`` pairs of each kind: the middle ones of as many equal parts."""
    chosen: list[ImagePair] = []
    for kind in dict.fromkeys(pair.kind for pair in pairs):
        of_kind = [pair for pair in pairs if pair.kind is kind]
        wanted = min(count, len(of_kind))
        chosen += [of_kind[(2 * part + 1) * len(of_kind) // (2 * wanted)] for part in range(wanted)]
    return chosen
