"""Everything a user can choose about one fusion, validated once and able to travel as JSON."""

from __future__ import annotations

import os
from collections.abc import Callable, Mapping
from dataclasses import dataclass, fields
from enum import Enum
from functools import partial
from typing import Any, TypeVar

from CSAFusionLib import checks
from CSAFusionLib.errors import InputError
from CSAFusionLib.fusion.colour import COLOUR_TABLES
from CSAFusionLib.geometry.planes import Plane
from CSAFusionLib.intensity.mapping import Window, parse_window
from CSAFusionLib.intensity.modality import Modality
from CSAFusionLib.registration.registration import Method, TransformModel


class Style(Enum):
    """The styles; only FUSED uses the network, and only SIDE_BY_SIDE has another grid than the fixed volume's."""

    FUSED = "fused"
    OVERLAY = "overlay"
    SIDE_BY_SIDE = "side-by-side"
    TWO_COLOUR = "two-colour"


AnEnum = TypeVar("AnEnum", bound=Enum)


@dataclass(frozen=True, kw_only=True)
class FusionSettings:
    """The choices of one fusion; a combination that cannot work raises :class:`InputError` when it is made.

    A name, in any case, serves for every enum (``registration="landmarks"``, ``plane="coronal"``), and the name of a CT
    window or ``"level,width"`` for a window (``fixed_window="brain"``).

    Args:
        registration: what aligns the moving volume; ``Method.NONE`` trusts the geometry of the headers.
        transform_model: freedom of the registration.
        fixed_modality, moving_modality: None guesses them from the data.
        fixed_window, moving_window: intensities shown from black to white; None finds them from the modality.
        colour_table: shows the scalar PET or SPECT volume through this table, in colour; None fuses it in grey.
        bias_correction: whether N4 removes the slow change of brightness that receive coils cause in MR volumes.
        balance: how much each source counts, from -1 (the fixed one alone) over 0 (as the network balances them) to 1
          (the moving one alone).
        plane: plane of the slices the network sees; AUTO is the acquired one of thick slices, else axial.
        style: the network's fused volume; or, without a network, an RGB volume: a plain overlay, both side by side, or
          two colours whose hue tells the source.
        opacity: of the overlay: how much of the PET or SPECT is seen over the other volume, else of the moving one.
        through_slice_smoothing: over how many mm (standard deviation) neighbouring slices share the network's weight
          maps, which keeps the fused volume from flickering; 0 fuses each slice on its own.
        weights: name of bundled weights or path of a safetensors file; None chooses by the modalities.
        device: ``auto``, ``cpu``, ``cuda``, ``cuda:0``..., ``mps``.
        batch_size: slices at a time; None chooses by the device and the size of a slice.
        seed: seed of the registration's sampling.
        deterministic: whether the registration uses one thread, with which the same input gives the same transform.
    """

    registration: Method = Method.AUTO
    transform_model: TransformModel = TransformModel.RIGID
    fixed_modality: Modality | None = None
    moving_modality: Modality | None = None
    fixed_window: Window | None = None
    moving_window: Window | None = None
    colour_table: str | None = None
    bias_correction: bool = False
    balance: float = 0.0
    plane: Plane = Plane.AUTO
    style: Style = Style.FUSED
    opacity: float = 0.5
    through_slice_smoothing: float = 2.0
    weights: str | None = None
    device: str = "auto"
    batch_size: int | None = None
    seed: int = 0
    deterministic: bool = True

    @property
    def threads(self) -> int | None:
        """The threads of the registration, as its engines take them: None means one."""
        if self.deterministic:
            return None
        import SimpleITK as sitk

        # All cores, or as many as the user allows this process.
        return int(sitk.ProcessObject.GetGlobalDefaultNumberOfThreads())

    def __post_init__(self) -> None:
        for name, check in _CHECKS.items():
            value = getattr(self, name)
            if value is not None or name not in _OPTIONAL:
                # NumPy scalars become plain values, which JSON can hold.
                object.__setattr__(self, name, check(value))
        models = self.registration.models
        if models and self.transform_model not in models:
            known = " or ".join(model.name.lower() for model in models)
            name = self.registration.name.lower()
            raise InputError(
                f"The registration '{name}' cannot be {self.transform_model.name.lower()}; choose {known}."
            )
        if self.colour_table is not None and self.colour_table not in COLOUR_TABLES:
            known = ", ".join(sorted(COLOUR_TABLES))
            raise InputError(f"There is no colour table {checks.shown(self.colour_table)}; choose one of {known}.")

    def to_dict(self) -> dict[str, Any]:
        """These settings as plain JSON values: enums by their name, windows by level and width."""
        return {field.name: _to_json(getattr(self, field.name)) for field in fields(self)}

    @classmethod
    def from_dict(cls, values: dict[str, Any]) -> FusionSettings:
        """The settings that :meth:`to_dict` wrote, now or in an earlier version; what is left out keeps its default.

        Raises:
            InputError: they are no dictionary, or a key or a value is not known.
        """
        given = current_names(checks.mapping(values, "settings"))
        unknown = sorted(set(given) - {field.name for field in fields(cls)})
        if unknown:
            name = checks.shown(unknown[0])
            raise InputError(f"The settings hold {name}, which this version does not know; remove it.")
        return cls(**{key: _from_json(key, value) for key, value in given.items()})


FORMER_NAMES = {"steadiness": "through_slice_smoothing"}
"""Former names of settings; saved settings and old commands are still read."""


def current_names(given: Mapping[str, Any]) -> dict[str, Any]:
    """Settings under their current names."""
    return {FORMER_NAMES.get(name, name): value for name, value in given.items()}


_ENUMS: dict[str, type[Enum]] = {
    "registration": Method,
    "transform_model": TransformModel,
    "fixed_modality": Modality,
    "moving_modality": Modality,
    "plane": Plane,
    "style": Style,
}

# Beyond, the neighbours of a slice would be those of another organ.
_MOST_SMOOTHING_MM = 100.0
_MOST_SLICES_AT_ONCE = 1024


def _choice(value: object, choices: type[AnEnum], what: str) -> AnEnum:
    return checks.parse_choice(choices, value, what) if isinstance(value, str) else checks.member(value, choices, what)


def _window(value: object) -> Window:
    if isinstance(value, str):
        return parse_window(value)
    if not isinstance(value, Window):
        raise InputError(f"A window is the name of a CT window, 'level,width' or a Window, not {checks.shown(value)}.")
    return value


def _weights(value: object) -> str:
    return checks.text(str(value) if isinstance(value, os.PathLike) else value, "name or path of the weights")


_CHECKS: dict[str, Callable[[object], Any]] = {
    **{name: partial(_choice, choices=known, what=name.replace("_", " ")) for name, known in _ENUMS.items()},
    "fixed_window": _window,
    "moving_window": _window,
    "colour_table": partial(checks.text, what="colour table"),
    "bias_correction": partial(checks.flag, what="bias correction"),
    "balance": partial(checks.number, what="balance", hint="-1 (fixed volume) to 1 (moving volume)", low=-1, high=1),
    "opacity": partial(checks.number, what="opacity", hint="a number from 0 to 1", low=0, high=1),
    "through_slice_smoothing": partial(
        checks.number,
        what="through-slice smoothing",
        hint=f"0 or a few mm, {_MOST_SMOOTHING_MM:g} at most",
        low=0,
        high=_MOST_SMOOTHING_MM,
        unit=" mm",
    ),
    "weights": _weights,
    "device": partial(checks.text, what="device"),
    "batch_size": partial(
        checks.whole_number,
        what="batch size",
        hint=f"1 to {_MOST_SLICES_AT_ONCE} slices at a time",
        low=1,
        high=_MOST_SLICES_AT_ONCE,
    ),
    "seed": partial(
        checks.whole_number,
        what="seed",
        hint=f"a whole number from 0 to {checks.LARGEST_SEED}",
        low=0,
        high=checks.LARGEST_SEED,
    ),
    "deterministic": partial(checks.flag, what="deterministic"),
}
_OPTIONAL = {
    "fixed_modality", "moving_modality", "fixed_window", "moving_window", "colour_table", "weights", "batch_size"
}  # fmt: skip


def _to_json(value: Any) -> Any:
    if isinstance(value, Enum):
        return value.name
    if isinstance(value, Window):
        return {"level": value.level, "width": value.width}
    return value


def _from_json(key: str, value: Any) -> Any:
    if value is None:
        return None
    if key in _ENUMS:
        return checks.parse_choice(_ENUMS[key], value, key.replace("_", " "))
    if key.endswith("_window"):
        return Window.from_dict(value)
    return value
