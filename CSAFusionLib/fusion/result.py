"""What a fusion gives; what few ask for is made when it is first read."""

from __future__ import annotations

import os
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import SimpleITK as sitk

from CSAFusionLib.registration.registration import Registration


class OnDemand:
    """A field of a dataclass that may be given as the function that makes it: called when first read, and only then."""

    def __init__(self, *default: Any) -> None:
        """Take what a field that is left out gets, a value or what makes it; without one the field must be given."""
        self._default = default

    def __set_name__(self, owner: type, name: str) -> None:
        self._name = name

    def __get__(self, instance: object | None, owner: type) -> Any:
        if instance is None:
            if self._default:
                return self._default[0]
            raise AttributeError(self._name)
        values = vars(instance)
        if callable(values[self._name]):
            values[self._name] = values[self._name]()
        return values[self._name]

    def __set__(self, instance: object, value: Any) -> None:
        vars(instance)[self._name] = value


@dataclass(frozen=True, kw_only=True, repr=False, eq=False)
class FusionResult:
    """A fused volume and everything that led to it; every image is on the fixed volume's grid.

    ``fused``, ``fixed_mapped`` and ``moving_mapped`` (the two inputs as they were fused) are scalar float32 in [0, 1],
    or uint8 RGB vectors where they have colour. ``moving_on_grid`` keeps the moving volume's own intensities.
    ``contribution`` is the share of the fused value that comes from the fixed volume, float32 in [0, 1]; None where it
    was not asked for, and for weights that predict pixels. ``figures`` are those of
    :func:`CSAFusionLib.fusion.slice_figures.slice_figures`. ``fixed_mapped``, ``moving_mapped``, ``moving_on_grid`` and
    ``figures`` may be given as functions that make them, and ``field_of_view``: uint8, 1 where the moving volume
    reaches; None for a result that was loaded.
    """

    fused: sitk.Image
    fixed_mapped: OnDemand = OnDemand()
    moving_mapped: OnDemand = OnDemand()
    moving_on_grid: OnDemand = OnDemand()
    registration: Registration
    provenance: dict[str, Any]
    warnings: list[str]
    contribution: sitk.Image | None = None
    figures: OnDemand = OnDemand(dict)
    field_of_view: OnDemand = OnDemand(None)

    def save(self, folder: str | os.PathLike[str]) -> None:
        """Write all of it into a folder, which is made if need be, for :meth:`load` and for other programs.

        The files are those of :mod:`CSAFusionLib.fusion.result_folder`. Raises InputError when the folder cannot be
        used; then nothing is written.
        """
        from CSAFusionLib.fusion.result_folder import save_result

        save_result(self, Path(folder))

    @classmethod
    def load(cls, folder: str | os.PathLike[str]) -> FusionResult:
        """Read what :meth:`save` wrote; InputError when it is missing or damaged."""
        from CSAFusionLib.fusion.result_folder import load_result

        return load_result(Path(folder))
