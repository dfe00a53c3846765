"""A map of misalignment in a few figures and one sentence, its regions named by where they lie in the patient."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import numpy as np

from CSAFusionLib.registration.misalignment.measure import Misalignment

_SHARE = 0.95

# Along each axis of LPS, from its lower end: thirds of what both volumes show. The middle ones have no name.
_THIRDS = (("right", "", "left"), ("front", "", "back"), ("bottom", "", "top"))
_CENTRE = "centre"

# Of a region: the fewest places, on the grid of the map, that say something of it.
_FEWEST = 10


@dataclass(frozen=True)
class Region:
    """A 27th of the box around the anatomy, such as "left front bottom": how far off it is on average, and how surely.

    mm, deviation_mm: mean over what is known of it; None where too little is. known: the share of it, 0 to 1.
    """

    where: str
    mm: float | None
    deviation_mm: float | None
    known: float


@dataclass(frozen=True)
class Summary:
    """within_mm: what 95 % of the known anatomy is off at most; None where nothing is known. known: its share, 0 to 1.

    regions: those that hold some of the anatomy, the farthest off first, those of which nothing is known last.
    """

    known: float
    within_mm: float | None
    regions: tuple[Region, ...]

    @property
    def worst(self) -> Region | None:
        """The region that is farthest off, of those known; None where none is."""
        return next((region for region in self.regions if region.mm is not None), None)

    def sentence(self) -> str:
        """What a reader should know, in one sentence."""
        if self.within_mm is None:
            return (
                "How far off it is from place to place is not known: too few places can be told apart in both volumes."
            )
        rest = "" if self.known > 1 - 0.005 else f" ({1 - self.known:.0%} of it is not known)"
        said = f"95 % of the anatomy lies within {self.within_mm:.1f} mm{rest}"
        if (worst := self.worst) is None:
            return said + "."
        return f"{said}; farthest off: {worst.where}, {worst.mm:.1f} ± {worst.deviation_mm:.1f} mm."

    def describe(self) -> dict[str, Any]:
        """All of it as plain JSON values."""
        return {
            "sentence": self.sentence(),
            "known_share": self.known,
            "within_mm": self.within_mm,
            "regions": [vars(region) for region in self.regions],
        }


def summarise(misalignment: Misalignment) -> Summary:
    """Summarise a map."""
    found, known = misalignment.anatomy, misalignment.known
    regions = sorted(_regions(misalignment), key=lambda region: -1.0 if region.mm is None else region.mm, reverse=True)
    return Summary(
        known=float(known[found].mean()) if found.any() else 0.0,
        within_mm=float(np.quantile(misalignment.distance[known], _SHARE)) if known.any() else None,
        regions=tuple(regions),
    )


def _regions(misalignment: Misalignment) -> list[Region]:
    found = misalignment.anatomy
    if not found.any():
        return []
    points = misalignment.places(found)
    low, high = points.min(axis=0), points.max(axis=0)
    thirds = ((points - low) / (high - low).clip(min=1e-6) * 3).astype(int).clip(0, 2)
    known, distance, deviation = (
        values[found] for values in (misalignment.known, misalignment.distance, misalignment.deviation)
    )
    regions = []
    for third in np.unique(thirds, axis=0):
        inside = (thirds == third).all(axis=1)
        there = inside & known
        is_enough = there.sum() >= _FEWEST
        regions.append(
            Region(
                where=_name(third.tolist()),
                mm=float(distance[there].mean()) if is_enough else None,
                deviation_mm=float(deviation[there].mean()) if is_enough else None,
                known=float(there.sum() / inside.sum()),
            )
        )
    return regions


def _name(third: list[int]) -> str:
    parts = [names[index] for names, index in zip(_THIRDS, third, strict=True)]
    return " ".join(part for part in parts if part) or _CENTRE
