"""What the figures of a registration mean, in one sentence."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from enum import Enum


class Level(Enum):
    """How far a registration can be trusted."""

    GOOD = "good"
    DOUBTFUL = "doubtful"
    BAD = "bad"


@dataclass(frozen=True)
class Verdict:
    """How far a registration can be trusted, and why in one sentence."""

    level: Level
    reason: str


# Of the fixed field of view; a slab of some slices covers a twentieth of a head.
_LITTLE_OVERLAP = 0.05
_NO_CHANGE_NATS = 0.005


def judge(figures: Mapping[str, float]) -> Verdict:
    """Judge the figures of :func:`~CSAFusionLib.registration.check.examine.examine`."""
    if figures["jacobian_min"] <= 0:
        return Verdict(Level.BAD, "The transform folds or mirrors space.")
    if figures["overlap_after"] < _LITTLE_OVERLAP:
        return Verdict(Level.DOUBTFUL, "The volumes hardly overlap.")
    if figures["mutual_information_after"] < figures["mutual_information_before"] - _NO_CHANGE_NATS:
        return Verdict(Level.BAD, "The volumes agree less than before.")
    return Verdict(Level.GOOD, "The volumes agree.")


def verdict(figures: Mapping[str, float]) -> str:
    """Judge the figures of :func:`~CSAFusionLib.registration.check.figures.compare`; none proves a result right.

    Returns an empty text where there are no figures.
    """
    if not figures:
        return ""
    before, after = figures["mutual_information_before"], figures["mutual_information_after"]
    overlap = figures["overlap_after"]
    if overlap < _LITTLE_OVERLAP:
        judged = "The volumes hardly overlap: look at the overlay before you trust the result."
    elif after > before + _NO_CHANGE_NATS:
        judged = "The volumes agree better than before; confirm it in the overlay."
    elif after >= before - _NO_CHANGE_NATS:
        judged = "The volumes agree as well as before; check in the overlay that they are aligned."
    else:
        judged = "The volumes agree no better than before: look at the overlay before you trust the result."
    return f"{judged} Mutual information {before:.2f} before, {after:.2f} after; overlap {overlap:.0%}."
