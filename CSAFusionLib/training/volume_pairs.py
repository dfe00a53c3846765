"""Slices of two aligned volumes, after a rigid registration with ANTs where the data set asks for one.

The article goes on to affine and SyN. Here both images of a pair come from one head in one visit, which moves rigidly;
bending it further would fit noise, at some ten times the cost.
"""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

import numpy as np
import SimpleITK as sitk

from CSAFusionLib.geometry.grid import resample_to_grid, same_grid
from CSAFusionLib.geometry.planes import Plane, slice_spacing, to_slices
from CSAFusionLib.intensity.mapping import IntensityMapping, find_mapping, no_brighter_than_t2, tissue_at_level
from CSAFusionLib.intensity.modality import grey_quartiles
from CSAFusionLib.progress import Progress, silent
from CSAFusionLib.registration.methods import Method, TransformModel
from CSAFusionLib.registration.register import register
from CSAFusionLib.training.dataset import VolumePair
from CSAFusionLib.training.pairs import ImagePair, PairKind
from CSAFusionLib.volumes.reading import read_volume
from CSAFusionLib.volumes.volume import Volume
from CSAFusionLib.volumes.writing import write_volume

_LEAST_CONTENT = 0.1
"""Slices with less of the head than this share of their area are left out."""


@dataclass(frozen=True)
class Slab:
    """Consecutive axial slices of two aligned volumes, (S, H, W) float32 in [0, 1], ``spacing`` mm apart.

    ``pixel`` is how large a pixel is along rows and columns, in mm.
    """

    kind: PairKind
    name: str
    a: np.ndarray
    b: np.ndarray
    spacing: float
    pixel: tuple[float, float] = (1.0, 1.0)


def read_slab(pair: VolumePair, *, registered: Path, progress: Progress = silent) -> Slab:
    """Read all axial slices of two volumes on the grid of one of them, each in its modality's window.

    Args:
        registered: a folder that keeps registered volumes, so that they are registered once.
        progress: told of the registration.

    Raises:
        InputError: a volume is missing or unreadable.
    """
    a, b = read_volume(pair.a), read_volume(pair.b)
    if pair.register:
        b = registered_onto(a, b, registered / pair.cached, progress)
    reference = a if pair.grid_is_a else b
    mapped = [
        mapping(to_slices(_on_grid(volume, reference), Plane.AXIAL))
        for volume, mapping in zip((a, b), mappings_of(pair.kind, a, b), strict=True)
    ]
    spacing, *pixel = slice_spacing(reference.image, Plane.AXIAL)
    return Slab(pair.kind, pair.name, mapped[0], mapped[1], spacing, (pixel[0], pixel[1]))


def mappings_of(kind: PairKind, a: Volume, b: Volume) -> tuple[IntensityMapping, IntensityMapping]:
    """Return the mappings of both volumes of a pair, as a fusion finds them."""
    of_a, of_b = (find_mapping(volume, modality) for volume, modality in zip((a, b), kind.modalities, strict=True))
    if kind is PairKind.T1_T2:
        of_a = tissue_at_level(of_a, _middle(a, of_a))
        of_b = no_brighter_than_t2(of_b, _middle(b, of_b))
    return of_a, of_b


def _middle(volume: Volume, mapping: IntensityMapping) -> float:
    return grey_quartiles(map(mapping, sitk.GetArrayViewFromImage(volume.image)))[1]


def cut_pairs(pair: VolumePair, *, registered: Path, progress: Progress = silent) -> list[ImagePair]:
    """Return the slices of a volume pair that show enough of the head; arguments as :func:`read_slab` takes."""
    slab = read_slab(pair, registered=registered, progress=progress)
    return [
        ImagePair(a, b, slab.kind, f"{slab.name}-{index:03d}", spacing=slab.spacing, patient=slab.name)
        for index, (a, b) in enumerate(zip(slab.a, slab.b, strict=True))
        if (a > _LEAST_CONTENT).mean() >= _LEAST_CONTENT
    ]


def registered_onto(fixed: Volume, moving: Volume, cached: Path, progress: Progress = silent) -> Volume:
    """Return the moving volume on the fixed one's grid, registered by ANTs (rigid), or from the file that kept it."""
    if not cached.is_file():
        result = register(fixed, moving, Method.ANTS, TransformModel.RIGID, threads=1, progress=progress)
        cached.parent.mkdir(parents=True, exist_ok=True)
        write_volume(resample_to_grid(moving.image, fixed.image, result.transform, _lowest(moving)), cached)
    return Volume(sitk.ReadImage(str(cached)), moving.name)


def _on_grid(volume: Volume, reference: Volume) -> sitk.Image:
    if same_grid(volume.image, reference.image):
        return volume.image
    return resample_to_grid(volume.image, reference.image, sitk.Transform(), _lowest(volume))


def _lowest(volume: Volume) -> float:
    return float(sitk.GetArrayViewFromImage(volume.image).min())
