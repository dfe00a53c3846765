"""The outputs of ``--misalignment FILE``: the map, its uncertainty, a picture, and a line of the summary."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from functools import cached_property, partial
from pathlib import Path
from typing import Any

import numpy as np
import SimpleITK as sitk

from CSAFusionLib.cli.montage import bounding_box, sheet
from CSAFusionLib.cli.outputs import check_extension
from CSAFusionLib.files.atomic_write import Writer
from CSAFusionLib.geometry.planes import Plane, slice_spacing, slices_view
from CSAFusionLib.progress import Progress
from CSAFusionLib.registration.misalignment_map import Misalignment, coloured, measure_misalignment, scale_mm, summarise
from CSAFusionLib.registration.preparation import prepare
from CSAFusionLib.volumes.pictures import picture_writer
from CSAFusionLib.volumes.volume import Volume
from CSAFusionLib.volumes.writing import VOLUME_EXTENSIONS, volume_writer

_PLANES = (Plane.AXIAL, Plane.CORONAL, Plane.SAGITTAL)


def map_files(path: Path | None) -> tuple[Path, ...]:
    """The files of a map: the named one, and its uncertainty and its picture beside it; empty for None.

    Raises InputError when the name does not have the extension of a volume.
    """
    if path is None:
        return ()
    check_extension(path, VOLUME_EXTENSIONS)
    ending = max((one for one in VOLUME_EXTENSIONS if path.name.lower().endswith(one)), key=len)
    stem = path.name[: -len(ending)]
    return path, path.with_name(f"{stem}-uncertainty{path.name[-len(ending) :]}"), path.with_name(f"{stem}.png")


def measured(
    path: Path | None,
    volumes: tuple[Volume, Volume],
    transform: sitk.Transform,
    described: dict[str, Any],
    progress: Progress,
) -> dict[Path, Writer]:
    """Measure the map if it is requested, and return the functions that write its files.

    volumes: fixed and moving. transform: from fixed to moving points, LPS mm. described: the entry of the registration
        in summary and provenance, to which the map is added.
    """
    if path is None:
        return {}
    found = MeasuredMisalignment(*volumes, transform, progress)
    described["misalignment"] = found.describe()
    return found.writers(map_files(path))


@dataclass(frozen=True)
class MeasuredMisalignment:
    """The map of one registration, measured on first use."""

    fixed: Volume
    moving: Volume
    transform: sitk.Transform
    progress: Progress

    @cached_property
    def _found(self) -> Misalignment:
        images = prepare(self.fixed), prepare(self.moving)
        return measure_misalignment(*images, self.transform, progress=self.progress)

    def describe(self) -> dict[str, Any]:
        """Its entry in the summary and the provenance."""
        return summarise(self._found).describe()

    def writers(self, files: Sequence[Path]) -> dict[Path, Writer]:
        """The functions that write the map, its uncertainty and its picture to the paths of :func:`map_files`."""
        on_chunk = partial(self.progress, "Writing", 0, 0)
        volumes = self._found.on_grid(self.fixed.image)
        fixed = prepare(self.fixed)
        picture = misalignment_picture(fixed, *self._found.on_grid(fixed))
        return {
            **{file: volume_writer(volume, on_chunk) for file, volume in zip(files, volumes, strict=False)},
            files[2]: picture_writer(picture),
        }


def misalignment_picture(fixed: sitk.Image, distance: sitk.Image, deviation: sitk.Image) -> np.ndarray:
    """Draw three planes through the place that is farthest off, uint8 (H, W, 3).

    fixed: scalar float32. distance, deviation: on its grid, mm, negative where nothing is known.
    """
    off = sitk.GetArrayViewFromImage(distance)
    scale = scale_mm(off)
    is_known = bool((off >= 0).any())
    voxels = sitk.GetArrayViewFromImage(fixed)
    place = np.unravel_index(off.argmax() if is_known else voxels.size // 2, off.shape)
    low, high = np.quantile(voxels, (0.01, 0.995))
    grey = sitk.GetImageFromArray(((voxels - low) / max(high - low, 1e-6)).clip(0, 1).astype(np.float32))
    grey.CopyInformation(fixed)
    middle = distance.TransformIndexToPhysicalPoint([int(index) for index in place[::-1]])
    rows = [_row(plane, middle, grey, distance, deviation, scale) for plane in _PLANES]
    titles = ("Fixed", f"Off by 0 (blue) to {scale:g} mm (yellow)", "Standard deviation, same colours")
    return sheet(rows, titles)


def _row(
    plane: Plane,
    middle: tuple[float, ...],
    grey: sitk.Image,
    distance: sitk.Image,
    deviation: sitk.Image,
    scale: float,
) -> tuple[tuple[np.ndarray, ...], tuple[float, float]]:
    stacks = [slices_view(image, plane) for image in (grey, distance, deviation)]
    mark = sitk.Image(grey.GetSize(), sitk.sitkUInt8)
    mark.CopyInformation(grey)
    mark[mark.TransformPhysicalPointToIndex(middle)] = 1
    index = int(slices_view(mark, plane).any(axis=(1, 2)).argmax())
    fixed, off, spread = (stack[index] for stack in stacks)
    window = bounding_box(fixed)
    tiles = tuple(coloured(fixed[window], values[window] / scale) for values in (off, spread))
    return (fixed[window], *tiles), slice_spacing(grey, plane)[1:]
