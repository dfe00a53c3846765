"""The two inputs of a fusion, settled once: modality, intensity mapping, the plane, and which is A and which is B."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass, replace
from typing import Any, TypeVar

import numpy as np
import SimpleITK as sitk

from CSAFusionLib.errors import InputError
from CSAFusionLib.fusion.settings import FusionSettings, Style
from CSAFusionLib.geometry.planes import Plane, settled_plane, slice_spacing
from CSAFusionLib.intensity.evidence import Evidence
from CSAFusionLib.intensity.mapping import IntensityMapping, no_brighter_than_t2, settle_intensities, tissue_at_level
from CSAFusionLib.intensity.modality import Confidence, Guess, Modality, grey_quartiles, is_t2_beside
from CSAFusionLib.intensity.windows import Window, display_factor, display_unit
from CSAFusionLib.volumes.checking import notes_of
from CSAFusionLib.volumes.volume import Volume

T = TypeVar("T")

_USUAL_TABLE = "hot-iron"
_COLOURED = (Style.OVERLAY, Style.SIDE_BY_SIDE)

# The order of training: A is the functional volume where there is one, else the CT, else the T1; B the anatomy.
_RANK = {Modality.PET: 0, Modality.SPECT: 0, Modality.CT: 1, Modality.MR: 2}


def fixed_is_a(fixed: Modality, moving: Modality) -> bool:
    """Whether the fixed volume goes to the network's channel A by its modality; of two alike, the fixed one does."""
    return _RANK[fixed] <= _RANK[moving]


@dataclass(frozen=True)
class PreparedInput:
    """One input before its voxels are used: its modality (and whether it is guessed), mapping and colour table.

    The volume is the one given, with its values where float32 holds them apart; the mapping is of its voxels.
    """

    volume: Volume
    modality: Modality
    is_guess: bool
    mapping: IntensityMapping
    colour_table: str | None
    guess: Guess | None = None

    def describe(self) -> dict[str, Any]:
        """Modality and mapping as plain JSON values."""
        return {
            "modality": self.modality.name,
            "modality_is_guessed": self.is_guess,
            "modality_from": None if self.guess is None else self.guess.source,
            "confidence": None if self.guess is None else self.guess.confidence.value,
            "contrast": self.volume.acquisition.contrast,
            "black": self.display_value(self.mapping.low),
            "white": self.display_value(self.mapping.high),
            "unit": display_unit(self.volume, self.modality),
            "knee": self._describe_knee(),
            "colour_table": self.colour_table,
        }

    @property
    def shows_a_trunk(self) -> bool:
        """Whether this is a CT in HU of a trunk, not of a head."""
        if self.modality is not Modality.CT:
            return False
        evidence = Evidence(self.volume)
        return evidence.in_hounsfield and not evidence.shows_a_head

    def beside_mr(self, middle: float, *, is_t1: bool) -> PreparedInput:
        """The same as one of two MR volumes, whose tissue has the median grey ``middle``: as the T1, or beside it."""
        if self.volume.is_colour:
            return self
        return replace(self, mapping=(tissue_at_level if is_t1 else no_brighter_than_t2)(self.mapping, middle))

    def display_value(self, voxel: float) -> float:
        """A voxel's value as it is told: as SUV where the header of a PET gives it, else the volume's own."""
        return float(self.volume.own_value(voxel)) * display_factor(self.volume, self.modality)

    def _describe_knee(self) -> dict[str, float] | None:
        if self.mapping.knee is None:
            return None
        value, brightness = self.mapping.knee
        return {"value": self.display_value(value), "brightness": brightness}


@dataclass(frozen=True)
class SourcePair:
    """Both inputs, and the anatomical plane of the slices that they are fused in."""

    fixed: PreparedInput
    moving: PreparedInput
    plane: Plane
    fixed_is_t2: bool = False
    """Of two MR volumes, whether the fixed one shows fluid bright and the moving one dark."""

    @classmethod
    def settle(cls, fixed: Volume, moving: Volume, settings: FusionSettings) -> SourcePair:
        """Settle modality, mapping and colour table of two valid volumes, from the settings or else from the data.

        Raises:
            InputError: a window shows nothing of a volume, or a colour table is asked for and no volume is PET or
                SPECT.
        """
        # An overlay of grey on grey would not tell which is which.
        table = settings.colour_table or (_USUAL_TABLE if settings.style in _COLOURED else None)
        pair = cls(
            _prepared(fixed, settings.fixed_modality, settings.fixed_window, table, settings.bias_correction),
            _prepared(moving, settings.moving_modality, settings.moving_window, table, settings.bias_correction),
            settled_plane(fixed.image, settings.plane),
        )
        if settings.colour_table and not any(modality.is_functional for modality in pair.modalities):
            raise InputError(
                f"The colour table '{settings.colour_table}' colours a PET or SPECT volume, but '{fixed.name}' was "
                f"taken as {pair.fixed.modality.name} and '{moving.name}' as {pair.moving.modality.name}; set the "
                "modality."
            )
        if settings.bias_correction and Modality.MR not in pair.modalities:
            raise InputError("N4 corrects an MR, and neither volume is one; leave the bias correction out.")
        if pair.are_mr:
            return pair._as_t1_and_t2(settings)
        return pair

    def _as_t1_and_t2(self, settings: FusionSettings) -> SourcePair:
        """Tell which of two MR volumes is the T2, and window both for their tissue, unless a window is asked for."""
        both = self.fixed, self.moving
        windows = settings.fixed_window, settings.moving_window
        greys = [grey_quartiles(map(one.mapping, _slabs(one.volume))) for one in both]
        pair = replace(self, fixed_is_t2=is_t2_beside(*greys))
        shown = [
            one if window is not None else one.beside_mr(middle, is_t1=is_fixed is pair.fixed_is_a)
            for one, (_, middle, _), window, is_fixed in zip(both, greys, windows, (True, False), strict=True)
        ]
        return replace(pair, fixed=shown[0], moving=shown[1])

    @property
    def modalities(self) -> tuple[Modality, Modality]:
        """The modalities of the fixed and of the moving volume."""
        return self.fixed.modality, self.moving.modality

    @property
    def are_mr(self) -> bool:
        """Whether both are MR: then one of them is the T1."""
        return self.modalities == (Modality.MR, Modality.MR)

    @property
    def spacing(self) -> tuple[float, float, float]:
        """The sides of a voxel along (slice, row, column) of the slices that are fused, mm."""
        return slice_spacing(self.fixed.volume.image, self.plane)

    @property
    def fixed_is_a(self) -> bool:
        """Whether the fixed volume goes to the network's channel A."""
        return fixed_is_a(*self.modalities) and not self.fixed_is_t2

    @property
    def has_colour_table(self) -> bool:
        """Whether a colour table shows one of the two."""
        return self.fixed.colour_table is not None or self.moving.colour_table is not None

    def in_order(self, of_fixed: T, of_moving: T) -> tuple[T, T]:
        """What belongs to the fixed and to the moving volume, as (A, B); also the way back, of (A, B)."""
        return (of_fixed, of_moving) if self.fixed_is_a else (of_moving, of_fixed)

    def describe(self) -> dict[str, Any]:
        """Both inputs and the plane as plain JSON values."""
        return {"fixed": self.fixed.describe(), "moving": self.moving.describe(), "plane": self.plane.value}

    def notes(self) -> tuple[list[str], list[str]]:
        """What the user must know of how the volumes were read, and of how they were mapped."""
        mapped = [prepared.mapping.note for prepared in (self.fixed, self.moving) if prepared.mapping.note]
        return notes_of(self.fixed.volume, self.moving.volume), mapped


def _slabs(volume: Volume) -> Iterator[np.ndarray]:
    """The voxels of a volume, one slab after the other: its whole mapped copy would not fit beside the rest."""
    return iter(sitk.GetArrayViewFromImage(volume.image)) if not volume.is_colour else iter(())


def _prepared(
    volume: Volume, modality: Modality | None, window: Window | None, colour_table: str | None, bias: bool
) -> PreparedInput:
    found = settle_intensities(volume, modality, window, corrects_bias=bias)
    shows_table = found.modality.is_functional and not volume.is_colour
    return PreparedInput(
        volume=found.volume,
        modality=found.modality,
        is_guess=found.guess is not None and found.guess.confidence is not Confidence.STATED,
        mapping=found.mapping,
        colour_table=colour_table if shows_table else None,
        guess=found.guess,
    )
