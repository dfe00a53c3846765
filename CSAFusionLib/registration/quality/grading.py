"""What the figures of a registration mean: good, doubtful or bad, and why in one sentence."""

from __future__ import annotations

import math
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from enum import Enum


class Grade(Enum):
    """How far a registration can be trusted."""

    GOOD = "good"
    DOUBTFUL = "doubtful"
    BAD = "bad"


@dataclass(frozen=True)
class Quality:
    """How far a registration can be trusted, and why in one sentence."""

    grade: Grade
    reason: str

    @property
    def level(self) -> Grade:
        """The grade, under its former name."""
        return self.grade


def quality_of(figures: Mapping[str, float]) -> Quality:
    """Return the quality that a registration with these figures has, by the first rule that applies."""
    rule = next(rule for rule in _RULES if rule.applies(figures))
    return Quality(rule.grade, rule.reason.format_map(figures))


@dataclass(frozen=True)
class _Rule:
    """applies: to the figures. reason: a sentence in which ``{name}`` stands for a figure."""

    grade: Grade
    applies: Callable[[Mapping[str, float]], bool]
    reason: str


# An error of 5 mm must not go unnoticed. The best agreement mostly lies within 1 mm of the truth, for averages of many
# heads within 4 mm.
_WRONG_MM = 5.0
_UNSURE_MM = 4.0

# Standard errors: chance hardly ever reaches the first, and never the second.
_LIKELY = 1.5
_CERTAIN = 3.0

# Of the head in the smaller field of view.
_LITTLE_OVERLAP = 0.25

# Of the best similarity: less than this is left after some 3 mm where both images show fine detail.
_CLEAR_LOSS = 0.83

# Of the best similarity: an alignment elsewhere that reaches so much is as likely.
_EQUAL_SHARE = 0.93

# Of the best similarity, what a shift of 8 mm takes from it; where the images fit it is a fifth and more.
_FLAT_PEAK = 0.08

_USUAL_SCALES = (0.75, 1.33)

_NOTHING_BETTER = (
    "The check tried other shifts and turns, and none matches clearly better: the best match is {better_mm:.1f} mm "
    "from this alignment."
)

_JUDGED = (
    "jacobian_min", "head_overlap", "better_mm", "better_certainty", "mirror_certainty", "best_share", "peak",
    "elsewhere_share", "scale_min", "scale_max",
)  # fmt: skip

_RULES = (
    # No comparison below holds for nan, so that without this rule it would pass for good.
    _Rule(
        Grade.DOUBTFUL,
        lambda figures: any(math.isnan(figures[name]) for name in _JUDGED),
        "The check could not compare the volumes, because some of its figures are not numbers; look at both volumes.",
    ),
    _Rule(
        Grade.BAD,
        lambda figures: figures["jacobian_min"] <= 0,
        "The transform folds or mirrors space, so that tissue is lost, doubled or exchanged between left and right.",
    ),
    _Rule(
        Grade.DOUBTFUL,
        lambda figures: figures["head_overlap"] < _LITTLE_OVERLAP,
        "The volumes hardly overlap: only {head_overlap:.0%} of the anatomy in the smaller one lies in the other, too "
        "little to check the alignment by.",
    ),
    _Rule(
        Grade.BAD,
        lambda figures: figures["better_mm"] > _WRONG_MM and figures["better_certainty"] > _CERTAIN,
        "The alignment is wrong: the volumes match clearly better when the moving one is shifted or turned by about "
        "{better_mm:.0f} mm.",
    ),
    _Rule(
        Grade.BAD,
        lambda figures: figures["mirror_certainty"] > _CERTAIN,
        "The volumes match clearly better when one is mirrored: left and right are exchanged in one of them.",
    ),
    _Rule(
        Grade.DOUBTFUL,
        lambda figures: figures["better_mm"] > _UNSURE_MM or figures["best_share"] < _CLEAR_LOSS,
        "The alignment may be off: the volumes match better when the moving one is shifted or turned by about "
        "{better_mm:.1f} mm.",
    ),
    _Rule(
        Grade.DOUBTFUL,
        lambda figures: figures["peak"] < _FLAT_PEAK,
        "The match hardly changes wherever the moving volume is put, so the check cannot tell whether the alignment is "
        "right; the two may not show the same anatomy.",
    ),
    _Rule(
        Grade.DOUBTFUL,
        lambda figures: figures["elsewhere_share"] > _EQUAL_SHARE,
        "The volumes match nearly as well in another place, so the check cannot tell which of the two is right.",
    ),
    _Rule(
        Grade.DOUBTFUL,
        lambda figures: figures["mirror_certainty"] > _LIKELY,
        "The volumes match slightly better when one is mirrored: left and right may be exchanged in one of them.",
    ),
    _Rule(
        Grade.DOUBTFUL,
        lambda figures: figures["scale_min"] < _USUAL_SCALES[0] or figures["scale_max"] > _USUAL_SCALES[1],
        "The transform scales the anatomy by {scale_min:.2f} to {scale_max:.2f}, more than two scans of one patient "
        "differ.",
    ),
    _Rule(
        Grade.GOOD,
        lambda figures: figures["mirror_certainty"] > -_LIKELY,
        _NOTHING_BETTER + " Left and right look so alike that an exchange of the two would not be noticed.",
    ),
    _Rule(Grade.GOOD, lambda figures: True, _NOTHING_BETTER),
)
