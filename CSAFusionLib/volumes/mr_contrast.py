"""Tell the contrast of an MR from the names people and scanners give it, and from its times."""

from __future__ import annotations

import re
from collections.abc import Iterable

_WORD = r"(?<![a-z0-9]){}(?![a-z])"
# The first that fits counts: a FLAIR is called "T2 FLAIR" too, and a DWI "EPI T2 DWI". A T1 FLAIR is a T1.
_NAMES = (
    ("DWI", r"(e?dwi|diff\w*|adc|dti|trace\w*|ep2d_diff\w*|dwibs)"),
    ("BOLD", r"(bold|fmri|rest(ing)?( ?state)?)"),
    ("ASL", r"(asl|pcasl|pasl|m0scan)"),
    ("angiography", r"(tof|mra|angio\w*)"),
    ("T2*", r"(t2\*|t2star\w*|swi|swan|hemo\w*|t2s)"),
    ("T1", r"t1w? flair"),
    ("FLAIR", r"(flair|tirm|dark[ _-]?fluid)"),
    ("PD", r"(pd|pdw|proton)"),
    ("T2", r"(t2w?|inplanet2)"),
    ("T1", r"(t1w?|mprage|spgr|bravo|fspgr|tfl3d\w*|mp2rage|uni(t1)?|inplanet1)"),
)
_AGENT = re.compile(
    _WORD.format(r"(gd|gado\w*|gad|post|t1c|t1ce|t1gd|ce|km)") + r"|\+ ?(c|gd|km)(?![a-z])|contrast[ _-]enhanced"
)
_ENHANCED = "contrast-enhanced T1"

# Spin echoes: T1 has both times short, T2 both long, FLAIR a long inversion beside a long echo. All in ms.
_SHORT_ECHO, _LONG_ECHO = 30, 70
_SHORT_REPETITION, _LONG_REPETITION = 1200, 1800
_FLUID_NULLED = (1500, 3200)


def contrast_of_names(names: Iterable[str], *, agent: bool = False) -> str:
    """Return the contrast that a name gives, "" where none does.

    names: of a series, protocol, sequence or file, in any case; the first that says something counts.
    agent: whether a contrast agent was given, which makes a T1 a contrast-enhanced one.
    """
    for name in names:
        text = re.sub(r"[_.\-/]", " ", name.lower())
        if re.search(_WORD.format(r"(t1c|t1ce|t1gd)"), text):
            return _ENHANCED
        for contrast, pattern in _NAMES:
            if re.search(_WORD.format(pattern), text):
                return _ENHANCED if contrast == "T1" and (agent or _AGENT.search(text)) else contrast
    return ""


def contrast_of_times(
    echo: float | None, repetition: float | None, inversion: float | None = None, *, agent: bool = False
) -> str:
    """Return the contrast that echo, repetition and inversion time (ms) give, "" where they leave it open."""
    if echo is None or repetition is None:
        return ""
    if echo >= _LONG_ECHO and repetition >= _LONG_REPETITION:
        nulled = inversion is not None and _FLUID_NULLED[0] <= inversion <= _FLUID_NULLED[1]
        return "FLAIR" if nulled else "T2"
    if echo <= _SHORT_ECHO and 400 <= repetition <= _SHORT_REPETITION:
        return _ENHANCED if agent else "T1"
    return ""
