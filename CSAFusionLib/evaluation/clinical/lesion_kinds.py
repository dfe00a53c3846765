"""The four kinds of lesions that two sources can show, and where there is room for each."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np

from CSAFusionLib.evaluation.clinical.head import find_head
from CSAFusionLib.evaluation.clinical.synthetic_lesions import DIAMETERS, Lesion, insert, lesion_places, room_for

LESION_KINDS: dict[str, tuple[int, int]] = {
    "A only": (1, 0),
    "B only": (0, 1),
    "same sign": (1, 1),
    "opposite signs": (-1, 1),
}
"""The sign of the contrast in A and in B: brighter, darker, or not there."""

Place = tuple[int, int, int]
"""Row, column and diameter, in pixels."""


def places_for_all_kinds(a: np.ndarray, b: np.ndarray, contrast: float, margin: int = 0) -> list[Place]:
    """Return the places where both sources can get darker and brighter by a contrast, the sizes by turns.

    Args:
        a: (H, W), 0 to 1.
        b: (H, W), 0 to 1.
        contrast: as a share of the display's range.
        margin: how far from the image's border a place is at least, in pixels.
    """
    rows, columns = a.shape
    places = []
    for index, (row, column) in enumerate(lesion_places(find_head(np.maximum(a, b)))):
        diameter = DIAMETERS[index % len(DIAMETERS)]
        room = min(min(room_for(source, row, column, diameter)) for source in (a, b))
        inside = margin <= row < rows - margin and margin <= column < columns - margin
        if inside and room >= contrast:
            places.append((row, column, diameter))
    return places


def put_in(
    places: Sequence[Place], kind: str, contrast: float, a: np.ndarray, b: np.ndarray
) -> tuple[np.ndarray, np.ndarray]:
    """Return copies of both sources with lesions of one kind at all places."""
    marked = [
        insert([Lesion(row, column, diameter, sign * contrast) for row, column, diameter in places], source)
        for sign, source in zip(LESION_KINDS[kind], (a, b), strict=True)
    ]
    return marked[0], marked[1]
