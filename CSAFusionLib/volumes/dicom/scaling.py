"""What stored values mean: the rescale of a frame, or its real world value mapping."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np

from CSAFusionLib.volumes.dicom.elements import HeaderError, item_of, items_of, number_of, numbers_of, text_of

if TYPE_CHECKING:
    from pydicom import Dataset

# Rescale types that name no unit.
_UNITLESS = ("", "US")


REAL_WORLD = "real world value"
"""The unit of values by a mapping whose own unit is not read."""


@dataclass(frozen=True)
class Scale:
    """From stored to physical values: ``slope * stored + intercept``, or a table that begins at a stored value.

    given: the names of the elements that the header has, the others being taken for 1 and 0.
    """

    slope: float = 1.0
    intercept: float = 0.0
    unit: str = ""
    table: tuple[int, np.ndarray] | None = None
    given: frozenset[str] = frozenset()

    @property
    def says_something(self) -> bool:
        """Whether it changes values or names a unit."""
        return (self.slope, self.intercept) != (1, 0) or self.unit not in _UNITLESS or self.table is not None

    def apply(self, stored: np.ndarray) -> np.ndarray:
        """Return physical values, float64, of stored values of any shape."""
        if self.table is not None:
            first, values = self.table
            return values[np.clip(stored.astype(np.int64) - first, 0, len(values) - 1)]
        return stored * np.float64(self.slope) + self.intercept


def rescale_of(dataset: Dataset | None) -> Scale | None:
    """Return the rescale that a header, or an item of one, gives; None where it gives none.

    Raises HeaderError for a slope or intercept that is no single number, and for a slope of 0.
    """
    if dataset is None:
        return None
    if item_of(dataset, "ModalityLUTSequence") is not None:
        return Scale(table=_table_of(dataset))
    slope, intercept = number_of(dataset, "RescaleSlope"), number_of(dataset, "RescaleIntercept")
    if slope is None and intercept is None:
        return None
    if slope == 0:
        raise HeaderError("gives 0 for Rescale Slope, which would make all voxels alike")
    parts = {"slope": slope, "intercept": intercept}
    given = frozenset(name for name, value in parts.items() if value is not None)
    return Scale(1.0 if slope is None else slope, intercept or 0.0, text_of(dataset, "RescaleType"), given=given)


def real_world_of(datasets: Sequence[Dataset]) -> Scale | None:
    """Return the first linear real world value mapping of some items; None where there is none."""
    for dataset in datasets:
        slope = numbers_of(dataset, "RealWorldValueSlope")
        intercept = numbers_of(dataset, "RealWorldValueIntercept")
        if slope and len(slope) == 1 and slope[0] != 0:
            return Scale(slope[0], intercept[0] if intercept else 0.0, REAL_WORLD)
    return None


def dose_scale_of(dataset: Dataset) -> Scale:
    """Return the scale of a dose grid; HeaderError where it is missing."""
    scaling = number_of(dataset, "DoseGridScaling")
    if not scaling:
        raise HeaderError("is a dose without Dose Grid Scaling, so its values mean nothing")
    return Scale(scaling, 0.0, text_of(dataset, "DoseUnits") or "dose")


def scale_items(find: Callable[[str], list[Dataset]], dataset: Dataset) -> tuple[Scale | None, Scale | None]:
    """Return the rescale and the real world value mapping of one frame of a file with functional groups.

    find: gives the items of a functional group that hold for the frame.
    """
    groups = find("PixelValueTransformationSequence")
    rescale = rescale_of(groups[0] if groups else dataset)
    mappings = find("RealWorldValueMappingSequence") or items_of(dataset, "RealWorldValueMappingSequence")
    return rescale, real_world_of(mappings)


def chosen_scales(pairs: Sequence[tuple[Scale | None, Scale | None]]) -> list[Scale]:
    """Return one scale for each frame of a volume, from the rescale and the real world value mapping of each.

    The rescale holds where it says something in any frame; a mapping beside it may lead to another quantity, as one to
    SUV does beside a rescale to Bq/ml. All frames of a volume are scaled in one and the same way.

    Raises HeaderError where some frames lack what the rescale of others has.
    """
    by_rescale = any(rescale is not None and rescale.says_something for rescale, _ in pairs)
    if not by_rescale and all(mapping is not None for _, mapping in pairs):
        return [mapping or Scale() for _, mapping in pairs]
    if by_rescale and len({None if rescale is None else rescale.given for rescale, _ in pairs}) > 1:
        raise HeaderError("has slices that lack the rescale slope or intercept of the others; export the original")
    return [rescale or Scale() for rescale, _ in pairs]


def _table_of(dataset: Dataset) -> tuple[int, np.ndarray]:
    item = items_of(dataset, "ModalityLUTSequence")[0]
    descriptor = numbers_of(item, "LUTDescriptor", 3)
    if descriptor is None:
        raise HeaderError("has a Modality LUT without a descriptor")
    length, first = int(descriptor[0]) or 2**16, int(descriptor[1])
    data = item.get("LUTData")
    values = np.frombuffer(data, "<u2") if isinstance(data, bytes) else np.atleast_1d(np.asarray(data))
    if len(values) < length:
        raise HeaderError("has a Modality LUT that is shorter than its descriptor says")
    return first, values[:length].astype(np.float64)
