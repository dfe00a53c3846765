"""CT display windows in Hounsfield units, and the unit in which a volume's values are shown: HU, SUV, or its own."""

from __future__ import annotations

from dataclasses import dataclass

from CSAFusionLib import checks
from CSAFusionLib.errors import InputError
from CSAFusionLib.intensity.evidence import is_in_hounsfield
from CSAFusionLib.intensity.modality import Modality
from CSAFusionLib.volumes.volume import Volume

# Black and white, half a width beside the level, are floats too.
_LARGEST = 1e300


@dataclass(frozen=True)
class Window:
    """The range of values that is spread over black to white: ``width`` wide, centred on ``level``."""

    level: float
    width: float

    def __post_init__(self) -> None:
        hint = "a width above 0 and a level, such as 80 and 40"
        for name, lowest in (("level", -_LARGEST), ("width", 0.0)):
            value = checks.number(getattr(self, name), f"{name} of a window", hint, low=lowest, high=_LARGEST)
            object.__setattr__(self, name, value)
        if self.width == 0:
            raise InputError(f"A window cannot have the width 0; give {hint}.")

    @classmethod
    def from_dict(cls, values: object) -> Window:
        """The window of ``{"level": ..., "width": ...}``; InputError for anything else."""
        given = checks.mapping(values, "window")
        if set(given) != {"level", "width"}:
            raise InputError(f"A window has a level and a width, not {checks.shown(sorted(given))}.")
        return cls(**given)

    @property
    def low(self) -> float:
        """The value shown black."""
        return self.level - self.width / 2

    @property
    def high(self) -> float:
        """The value shown white."""
        return self.level + self.width / 2


CT_WINDOWS = {
    "brain": Window(40, 80),
    "stroke": Window(35, 40),
    "subdural": Window(75, 215),
    "soft-tissue": Window(50, 400),
    "abdomen": Window(60, 400),
    "lung": Window(-600, 1500),
    "bone": Window(600, 2800),
    "skull-and-brain": Window(100, 300),
    "wide": Window(500, 3000),
}


@dataclass(frozen=True)
class TwoSlopes:
    """Values shown by two straight lines: from ``black`` to ``knee`` soft tissue, from there to ``white`` bone.

    ``brightness`` is that of the knee.
    """

    black: float
    knee: float
    white: float
    brightness: float


# In fusion with an MR brain, fresh blood and bone must all be seen. A brain window shows the first two, and everything
# above 80 HU is white; a window wide enough for bone leaves the brain so few grey levels that a bleeding of 75 HU is
# lost in the MR's texture. So the brain window gets the lower four fifths, and bone is told from the rest above.
HEAD_CT = TwoSlopes(black=0, knee=80, white=1000, brightness=0.8)
BODY_CT = TwoSlopes(black=-160, knee=240, white=1000, brightness=0.85)
"""The usual soft-tissue window (level 40, width 400), and bone above it."""


def parse_window(text: str) -> Window:
    """Read a window from the name of a CT preset ("brain") or from "level,width" ("40,80").

    Raises InputError when it is neither, or when the width is not positive.
    """
    if text in CT_WINDOWS:
        return CT_WINDOWS[text]
    try:
        level, width = (float(number) for number in text.split(","))
    except ValueError:
        raise InputError(
            f"'{text}' is not a window; give one of {', '.join(CT_WINDOWS)}, or 'level,width' such as '40,80'."
        ) from None
    return Window(level, width)


SUV = "SUV"
"""Standardised uptake value by body weight, g/ml."""


def display_unit(volume: Volume, modality: Modality) -> str:
    """Return the unit, "" where nothing says it."""
    if modality is Modality.CT:
        return "HU" if is_in_hounsfield(volume) else ""
    return SUV if _has_suv(volume, modality) else volume.acquisition.unit


def display_factor(volume: Volume, modality: Modality) -> float:
    """Return what one of the volume's own values is multiplied by: 1, or that to SUV."""
    return volume.acquisition.suv if _has_suv(volume, modality) else 1.0


def in_own_values(window: Window | None, volume: Volume, modality: Modality) -> Window | None:
    """Return a window, given in the unit in which values are told, in the volume's own values."""
    factor = display_factor(volume, modality)
    return window if window is None or factor == 1 else Window(window.level / factor, window.width / factor)


def _has_suv(volume: Volume, modality: Modality) -> bool:
    return modality is Modality.PET and volume.acquisition.suv > 0
