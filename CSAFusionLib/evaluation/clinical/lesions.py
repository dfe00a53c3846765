"""Lesion retention: does a lesion that one source or both show still stand out in the fused image?"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace
from itertools import product
from typing import Literal, get_args

import numpy as np

from CSAFusionLib.evaluation.clinical.contrast import LEAST_NOISE
from CSAFusionLib.evaluation.clinical.lesion_kinds import LESION_KINDS, places_for_all_kinds, put_in
from CSAFusionLib.evaluation.clinical.synthetic_lesions import Lesion, insert, place_lesions
from CSAFusionLib.evaluation.methods import FusionMethod

Source = Literal["A", "B", "same", "opposite"]
"""What shows a lesion: one source, or both with the same sign or with opposite signs."""

_OF_BOTH: dict[Source, str] = {"same": "same sign", "opposite": "opposite signs"}
_CONTRAST_OF_BOTH = 0.15


@dataclass(frozen=True)
class LesionRetention:
    """What became of one lesion: 1 if it stands out as it did in its source, 0 if it is gone, below 0 if inverted."""

    source: Source
    sign: int
    diameter: int
    row: int
    column: int
    contrast: float
    """Its contrast in the fused image over that in the source."""
    retention: float
    """Its contrast-to-noise ratio in the fused image over that in the source."""


def lesion_retention(fuse: FusionMethod, a: np.ndarray, b: np.ndarray) -> list[LesionRetention]:
    """Put lesions into one source at a time, bright and dark, then into both, and see how they stand out when fused.

    Contrast: mean in the lesion minus mean in the ring around it, less the same without the lesion, as the anatomy of
    a place is none of its doing. Noise: standard deviation in the ring without the lesion. So what the other source's
    anatomy adds there counts as noise, as it does for a reader. The fused image's noise is taken to be no less than
    the source's, though: the grey values of a display are fixed, and a method that dims lesion and surroundings alike
    hides both. The average of both sources then keeps one half or less.

    All lesions of one kind go into one image, which takes seven fusions for a pair. They are too far apart to matter to
    each other: 17 pixels at least from a lesion's edge to the next one's ring. On slices of every kind, lesions put in
    alone were retained as together to within 0.003 in the mean and 0.04 at most, by pyramids, wavelets and networks.

    Args:
        fuse: takes a and b, and gives the fused image, (H, W) from 0 to 1.
        a: (H, W) float32, 0 to 1.
        b: (H, W) float32, 0 to 1.
    """
    found: list[LesionRetention] = []
    fused = fuse(a, b)
    sources: tuple[tuple[Source, np.ndarray, Callable[[np.ndarray], np.ndarray]], ...] = (
        ("A", a, lambda marked: fuse(marked, b)),
        ("B", b, lambda marked: fuse(a, marked)),
    )
    for (name, source, fuse_marked), sign in product(sources, (1, -1)):
        if lesions := place_lesions(source, sign):
            marked = insert(lesions, source)
            changes = marked - source, fuse_marked(marked) - fused
            found += [_compare(name, lesion, (source, fused), changes) for lesion in lesions]
    return found + _retention_of_both(fuse, a, b, fused)


def _retention_of_both(fuse: FusionMethod, a: np.ndarray, b: np.ndarray, fused: np.ndarray) -> list[LesionRetention]:
    """Put lesions of one contrast into both sources; what counts is the source that shows a lesion better.

    A lesion of opposite signs stands out whether it is brighter or darker, so its sign in the fused image is its own.
    """
    found: list[LesionRetention] = []
    places = places_for_all_kinds(a, b, _CONTRAST_OF_BOTH)
    for name, kind in _OF_BOTH.items():
        if not places:
            continue
        marked = put_in(places, kind, _CONTRAST_OF_BOTH, a, b)
        change = fuse(*marked) - fused
        for row, column, diameter in places:
            lesions = [Lesion(row, column, diameter, sign * _CONTRAST_OF_BOTH) for sign in LESION_KINDS[kind]]
            of_sources = [
                _compare(name, lesion, (source, fused), (with_lesion - source, change))
                for lesion, source, with_lesion in zip(lesions, (a, b), marked, strict=True)
            ]
            # The better source is the one beside which the fused image keeps less.
            of_better = min(of_sources, key=lambda kept: abs(kept.retention))
            size = abs(of_better.contrast), abs(of_better.retention)
            found.append(of_better if name == "same" else replace(of_better, contrast=size[0], retention=size[1]))
    return found


def summarise_retention(lesions: Sequence[LesionRetention]) -> dict[str, float]:
    """Return the mean retention and its worst decile, the tenth percentile, of each source's lesions; nan of none."""
    summary: dict[str, float] = {}
    for name in get_args(Source):
        kept = [lesion.retention for lesion in lesions if lesion.source == name]
        summary[f"retention({name})"] = float(np.mean(kept)) if kept else np.nan
        summary[f"worst decile({name})"] = float(np.percentile(kept, 10)) if kept else np.nan
    return summary


def _compare(
    name: Source, lesion: Lesion, plain: tuple[np.ndarray, np.ndarray], changes: tuple[np.ndarray, np.ndarray]
) -> LesionRetention:
    """Compare source and fused image, in this order: both without the lesion, and what changed with it."""
    in_source, in_fused = (lesion.inside(change).mean() - lesion.ring(change).mean() for change in changes)
    noise, noise_in_fused = (lesion.ring(image).std() for image in plain)
    noise = max(noise, LEAST_NOISE)
    contrast = float(in_fused / in_source)
    return LesionRetention(
        source=name,
        sign=1 if lesion.contrast > 0 else -1,
        diameter=lesion.diameter,
        row=lesion.row,
        column=lesion.column,
        contrast=contrast,
        retention=contrast * float(noise / max(noise, noise_in_fused)),
    )
