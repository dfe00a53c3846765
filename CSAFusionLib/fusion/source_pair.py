"""The two inputs of a fusion: settled once, then brought onto one grid as slices.

- The source pair: modality, intensity mapping, the plane, which is A and which is B, and what a reader should know.
- The aligned pair: both mapped to [0, 1] on the fixed grid, resampled once, under one field-of-view mask.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace
from functools import partial
from typing import Any, TypeVar

import numpy as np

from CSAFusionLib import lazy_simpleitk as sitk
from CSAFusionLib.errors import InputError
from CSAFusionLib.fusion.colour import Source
from CSAFusionLib.fusion.settings import FusionSettings, Style
from CSAFusionLib.geometry.field_of_view import brought, coverage_slices
from CSAFusionLib.geometry.planes import Plane, settled_plane, slice_spacing, slices_view, to_slices
from CSAFusionLib.intensity.mapping import (
    IntensityMapping,
    Window,
    beside_mr,
    bias_corrected,
    check_contrast,
    display_factor,
    display_unit,
    in_own_values,
    mapping_of,
)
from CSAFusionLib.intensity.modality import (
    Confidence,
    Evidence,
    Guess,
    Modality,
    Quartiles,
    grey_quartiles,
    guess,
    is_t2_beside,
)
from CSAFusionLib.intensity.voxel_values import within_float32
from CSAFusionLib.side_by_side import side_by_side
from CSAFusionLib.volumes.volume import Volume
from CSAFusionLib.weights.weights_file import FOR_PET_CT, TRAINED_ON

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
    """One input whose values are understood: its modality, its mapping to [0, 1] and its colour table.

    volume: the given one, with its values where float32 holds them apart, and corrected for its bias field if asked.
    mapping: of its voxels.
    guess: where its modality comes from; None if the user stated it.
    """

    volume: Volume
    modality: Modality
    mapping: IntensityMapping
    colour_table: str | None
    guess: Guess | None = None

    @classmethod
    def settle(
        cls,
        evidence: Evidence,
        modality: Modality | None,
        window: Window | None,
        table: str | None,
        *,
        corrects_bias: bool,
    ) -> PreparedInput:
        """Settle modality and mapping of a volume: as stated, else as its header, its name or its values say.

        Args:
            evidence: of the volume, which is valid.
            window: in the unit in which the volume's values are shown (HU, SUV, its own).
            table: the colour table of a PET or SPECT that has no colour of its own.
            corrects_bias: whether N4 corrects an MR first; no other volume is changed.

        Raises:
            InputError: the window shows the whole volume in one grey.
        """
        volume = evidence.volume
        found = guess(evidence) if modality is None else None
        known = modality or (found.modality if found else Modality.MR)
        if corrects_bias and known is Modality.MR and not volume.is_colour:
            volume = bias_corrected(volume)
            evidence = Evidence(volume)
        mapping = mapping_of(evidence, known, in_own_values(window, volume, known))
        if not volume.is_colour:
            check_contrast(evidence, mapping)
        return cls(volume, known, mapping, table if known.is_functional and not volume.is_colour else None, found)

    @property
    def is_guess(self) -> bool:
        """Whether the modality is inferred from values or a file name, and stated by neither the user nor a header."""
        return self.guess is not None and self.guess.confidence is not Confidence.STATED

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

    def beside_mr(self, seen: Volume, *, is_t1: bool) -> PreparedInput:
        """This input as one of two MR volumes, the T1 or the other; ``seen`` is what its tissue is looked for in."""
        if self.volume.is_colour:
            return self
        return replace(self, mapping=beside_mr(self.mapping, seen, is_t1=is_t1))

    def display_value(self, voxel: float) -> float:
        """A voxel's value as users read it: as SUV if the header of a PET gives it, else the volume's own."""
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
    """Of two MR volumes, whether the moving one is the T1, and the fixed one another: a T2 or what is shown as one."""
    is_t1_open: bool = False
    """Of two MR volumes, whether neither a header or a name nor the values tell the T1; the fixed one counts as it."""

    @classmethod
    def settle(cls, fixed: Volume, moving: Volume, settings: FusionSettings) -> SourcePair:
        """Settle modality, mapping and colour table of two valid volumes, from the settings or else from the data.

        Raises:
            InputError: a window shows nothing of a volume, or a colour table is asked for and no volume is PET or
                SPECT.
        """
        # An overlay of grey on grey would not tell which is which.
        table = settings.colour_table or (_USUAL_TABLE if settings.style in _COLOURED else None)
        bias = settings.bias_correction
        evidence = Evidence(within_float32(fixed)), Evidence(within_float32(moving))
        pair = cls(
            PreparedInput.settle(
                evidence[0], settings.fixed_modality, settings.fixed_window, table, corrects_bias=bias
            ),
            PreparedInput.settle(
                evidence[1], settings.moving_modality, settings.moving_window, table, corrects_bias=bias
            ),
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
            return pair._as_t1_and_t2(settings, evidence)
        return pair

    def _as_t1_and_t2(self, settings: FusionSettings, evidence: tuple[Evidence, Evidence]) -> SourcePair:
        """Tell which of two MR volumes is the T2; window both for their white matter, unless a window is asked for.

        evidence: of the fixed and the moving volume, as they were given.
        """
        both = self.fixed, self.moving
        windows = settings.fixed_window, settings.moving_window
        greys = [_shown_quartiles(*one) for one in zip(both, evidence, strict=True)]
        fixed_is_t2 = self._moving_is_stated_t1()
        if fixed_is_t2 is None:
            fixed_is_t2 = is_t2_beside(*greys)
        pair = replace(self, fixed_is_t2=bool(fixed_is_t2), is_t1_open=fixed_is_t2 is None)
        shown = [
            one if window is not None else one.beside_mr(one.volume, is_t1=is_fixed is pair.fixed_is_a)
            for one, window, is_fixed in zip(both, windows, (True, False), strict=True)
        ]
        return replace(pair, fixed=shown[0], moving=shown[1])

    def _moving_is_stated_t1(self) -> bool | None:
        """Whether headers or names call the moving volume a T1 and the fixed one none, or the reverse; else None."""
        of_fixed, of_moving = (one.volume.acquisition.contrast in _T1 for one in (self.fixed, self.moving))
        return None if of_fixed == of_moving else of_moving

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

    @property
    def notes(self) -> list[str]:
        """Whole sentences on how the volumes were mapped."""
        return [prepared.mapping.note for prepared in (self.fixed, self.moving) if prepared.mapping.note]

    def warnings(self, weights: str) -> list[str]:
        """Return whole sentences on what a reader should know of the two as a pair, none for a usual one.

        weights: the name of the bundled weights, or of a file, of whose training nothing is known.
        """
        inputs = self.fixed, self.moving
        said = [_of_guess(name, prepared) for name, prepared in zip(("fixed", "moving"), inputs, strict=True)]
        said += [_of_uptake(name, prepared) for name, prepared in zip(("fixed", "moving"), inputs, strict=True)]
        said += [_T1_IS_OPEN] if self.is_t1_open and not all(one.volume.acquisition.contrast for one in inputs) else []
        trained_on = TRAINED_ON.get(weights)
        if trained_on is not None:
            said += [
                _of_modalities(inputs, weights, trained_on),
                _of_contrasts(inputs, weights, trained_on),
                _of_body(inputs),
            ]
        return [sentence for sentence in said if sentence]


def _shown_quartiles(prepared: PreparedInput, evidence: Evidence) -> Quartiles:
    """The quartiles of a scalar volume's grey values as it is fused; zeros where it has colour."""
    if prepared.volume.is_colour:
        return grey_quartiles(())
    is_corrected = prepared.volume is not evidence.volume
    return (Evidence(prepared.volume) if is_corrected else evidence).shown_quartiles(prepared.mapping)


_TRAINED_CONTRASTS = {"T1", "T2"}
_T1 = {"T1", "contrast-enhanced T1"}
_T1_IS_OPEN = (
    "Which of the two MR volumes is the T1 is left open by their values, so the fixed one was taken for it; if it is "
    "not, let their file names end in _T1w, _T2w or _FLAIR."
)


def _of_guess(name: str, prepared: PreparedInput) -> str:
    if prepared.guess is None or prepared.guess.confidence is not Confidence.UNSURE or prepared.volume.is_colour:
        return ""
    return (
        f"The {name} volume was taken for {_article(prepared.modality)}, which its values leave open; state it with "
        f"--{name}-modality if it is another."
    )


def _of_uptake(name: str, prepared: PreparedInput) -> str:
    why = prepared.volume.acquisition.suv_note
    if prepared.modality is not Modality.PET or not why:
        return ""
    unit = prepared.volume.acquisition.unit
    return (
        f"The {name} PET has no SUV, because {why}; its values are given {f'in {unit}' if unit else 'without a unit'}."
    )


def _of_modalities(inputs: tuple[PreparedInput, PreparedInput], weights: str, trained_on: str) -> str:
    both = {prepared.modality for prepared in inputs}
    if both == {Modality.CT, Modality.PET} and weights == FOR_PET_CT:
        return (
            f"No weights were trained on PET with CT; {weights}, trained on {trained_on}, kept lesions of the PET best "
            "on the whole body of one patient, which is too few to rely on; look at both originals too."
        )
    if Modality.MR in both and (len(both) == 2 or weights == "t1-t2"):
        expected = {Modality[name.upper()] for name in weights.split("-") if name.upper() in Modality.__members__}
        return "" if both == (expected or {Modality.MR}) else _untrained(_names(both, inputs), weights, trained_on)
    return _untrained(_names(both, inputs), weights, trained_on)


def _of_contrasts(inputs: tuple[PreparedInput, PreparedInput], weights: str, trained_on: str) -> str:
    if any(prepared.modality is not Modality.MR for prepared in inputs):
        return ""
    contrasts = [prepared.volume.acquisition.contrast for prepared in inputs]
    known = {contrast for contrast in contrasts if contrast}
    if known <= _TRAINED_CONTRASTS and len(known) == len(list(filter(None, contrasts))):
        return ""
    pair = " with ".join(contrast or "an MR of unknown contrast" for contrast in contrasts)
    return _untrained(pair, weights, trained_on)


def _of_body(inputs: Sequence[PreparedInput]) -> str:
    if not any(prepared.shows_a_trunk for prepared in inputs):
        return ""
    untested = "The CT shows a trunk; all weights were trained on heads, and elsewhere the result is untested."
    if not any(prepared.colour_table for prepared in inputs):
        return untested
    # A trunk takes up tracer nearly everywhere, and colour that is bound to uptake leaves little of the CT's own grey.
    return f"{untested} In colour, bone and air of the trunk show less than in an overlay (--style overlay)."


def _untrained(pair: str, weights: str, trained_on: str) -> str:
    return f"The weights {weights} were trained on {trained_on}, not on {pair}; look at both originals too."


def _names(both: set[Modality], inputs: tuple[PreparedInput, PreparedInput]) -> str:
    names = sorted(modality.value for modality in both)
    return " with ".join(names) if len(names) == 2 else f"{inputs[0].modality.value} with {inputs[1].modality.value}"


def _article(modality: Modality) -> str:
    return f"{'an' if modality is Modality.MR else 'a'} {modality.value}"


@dataclass(frozen=True)
class AlignedPair:
    """Both sources (S, H, W) on the fixed grid, and where they overlap.

    sources: the pair they were made from.
    reach: how far the moving one reaches, 1 inside its field of view, falling to 0 at the border, 0 outside.
    coverage: the same, and 0 outside the region to fuse: how much of the fused value the result takes.
    """

    sources: SourcePair
    fixed: Source
    moving: Source
    reach: np.ndarray
    coverage: np.ndarray

    @classmethod
    def bring(cls, sources: SourcePair, transform: sitk.Transform, region: sitk.Image | None = None) -> AlignedPair:
        """Bring the moving volume onto the fixed grid and cut both into slices.

        Args:
            transform: from fixed points to moving points (LPS, mm).
            region: where to fuse (not 0), on the fixed grid; None is everywhere.

        Raises:
            InputError: under this transform the volumes do not overlap.
        """
        fixed, moving, plane = sources.fixed.volume, sources.moving.volume, sources.plane
        on_grid, inside = brought(fixed, moving, transform)
        reach = coverage_slices(inside, plane)
        own, other = slices_view(fixed.image, plane), slices_view(on_grid, plane)
        of_fixed, of_moving = side_by_side(
            partial(Source.mapped, own, sources.fixed.mapping, sources.fixed.colour_table),
            partial(Source.mapped, other, sources.moving.mapping, sources.moving.colour_table),
        )
        return cls(
            sources=sources,
            fixed=of_fixed,
            moving=of_moving,
            reach=reach,
            coverage=reach if region is None else reach * to_slices(region, plane),
        )

    def network_input(self, neighbours: np.ndarray) -> tuple[NetworkInput, NetworkInput]:
        """The slices of A and of B as the network takes them.

        Args:
            neighbours: weights of neighbouring slices, as
                :func:`CSAFusionLib.fusion.weight_maps.neighbour_weights` gives: a slice at the end of the region has
                the same neighbours as without a region.
        """
        reached, asked = (np.array([inside.any() for inside in mask], bool) for mask in (self.reach, self.coverage))
        wanted = np.logical_and(reached, within_reach(asked, neighbours))
        fixed, moving = (
            NetworkInput(source, wanted, self.fixed.luminance, self.reach)
            for source in (self.fixed.luminance, self.moving.luminance)
        )
        return self.sources.in_order(fixed, moving)


class NetworkInput:
    """One source's slices as the network takes them, made one by one; zero in slices that are not fused.

    The moving source has the fixed one's pixels where it does not reach, so that no artificial border is fused.
    """

    def __init__(self, source: np.ndarray, wanted: np.ndarray, fallback: np.ndarray, coverage: np.ndarray) -> None:
        """Take (S, H, W) in [0, 1], and which slices (S,) are fused; ``fallback`` stands where coverage is 0."""
        self.shape = source.shape
        self._source, self._wanted, self._fallback, self._coverage = source, wanted, fallback, coverage

    def __getitem__(self, index: int) -> np.ndarray:
        if not self._wanted[index]:
            return np.zeros(self.shape[1:], np.float32)
        return np.where(self._coverage[index] > 0, self._source[index], self._fallback[index])


def within_reach(slices: np.ndarray, weights: np.ndarray) -> np.ndarray:
    """Return which slices (S,) count for one of those that are True in ``slices`` (S,), themselves included."""
    apart = np.abs(np.subtract.outer(np.arange(len(slices)), np.flatnonzero(slices)))
    return (apart <= len(weights) // 2).any(axis=1)
