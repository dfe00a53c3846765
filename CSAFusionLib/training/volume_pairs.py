"""T1-T2 pairs, cut from real volumes after a rigid registration with ANTs.

The article goes on to affine and SyN. Here both images of a pair come from one head in one visit, which moves rigidly;
bending it further would fit noise, at some ten times the cost.
"""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

import numpy as np
import SimpleITK as sitk

from CSAFusionLib.geometry.planes import Plane, slice_spacing, to_slices
from CSAFusionLib.geometry.resampling import resample_to_grid
from CSAFusionLib.intensity.mapping import find_mapping
from CSAFusionLib.intensity.modality import Modality
from CSAFusionLib.progress import Progress, silent
from CSAFusionLib.registration.methods import Method, TransformModel
from CSAFusionLib.registration.register import register
from CSAFusionLib.training.pairs import ImagePair, PairKind, Split
from CSAFusionLib.volumes.reading import read_volume
from CSAFusionLib.volumes.volume import Volume
from CSAFusionLib.volumes.writing import write_volume

_LEAST_CONTENT = 0.1
"""Slices with less of the head than this share of their area are left out."""


@dataclass(frozen=True)
class VolumePair:
    """A T1 and a T2 volume of one patient, by their files' names inside the volumes folder."""

    t1: str
    t2: str
    aligned: bool = False
    """True if the data set already has both on one grid."""


# By patient, as the slices are split.
SPLIT: dict[str, tuple[VolumePair, ...]] = {
    "train": (
        VolumePair("open_ms/patient01/study1_T1W.nii.gz", "open_ms/patient01/study1_T2W.nii.gz"),
        VolumePair("open_ms/patient01/study2_T1W.nii.gz", "open_ms/patient01/study2_T2W.nii.gz"),
        VolumePair("open_ms/mni_patient07/T1.nii.gz", "open_ms/mni_patient07/T2.nii.gz", aligned=True),
        VolumePair("stroke/T1.nii.gz", "stroke/T2.nii.gz", aligned=True),
    ),
    "val": (VolumePair("open_ms/patient12/study1_T1W.nii.gz", "open_ms/patient12/study1_T2W.nii.gz"),),
}


def read_volume_pairs(volumes: Path, split: Split, *, registered: Path, progress: Progress = silent) -> list[ImagePair]:
    """Read the axial slices of every T1-T2 pair in ``split``; see :func:`CSAFusionLib.training.data.read_pairs`."""
    return [
        image_pair
        for pair in SPLIT[split]
        for image_pair in _slices_of(pair, volumes, registered=registered, progress=progress)
    ]


def _slices_of(pair: VolumePair, volumes: Path, *, registered: Path, progress: Progress) -> list[ImagePair]:
    t1, t2 = read_volume(volumes / pair.t1), read_volume(volumes / pair.t2)
    if not pair.aligned:
        t2 = _registered(t1, t2, registered / pair.t2.replace("/", "_"), progress)
    both = [_unit_slices(volume) for volume in (t1, t2)]
    spacing = slice_spacing(t1.image, Plane.AXIAL)[0]
    name = pair.t1.rsplit("/", 1)[0].replace("/", "-")
    return [
        ImagePair(a=a, b=b, kind=PairKind.T1_T2, name=f"{name}-{index:03d}", spacing=spacing)
        for index, (a, b) in enumerate(zip(*both, strict=True))
        if (a > _LEAST_CONTENT).mean() >= _LEAST_CONTENT
    ]


def _registered(t1: Volume, t2: Volume, cached: Path, progress: Progress) -> Volume:
    if not cached.is_file():
        result = register(t1, t2, Method.ANTS, TransformModel.RIGID, threads=1, progress=progress)
        lowest = float(sitk.GetArrayViewFromImage(t2.image).min())
        cached.parent.mkdir(parents=True, exist_ok=True)
        write_volume(resample_to_grid(t2.image, t1.image, result.transform, lowest), cached)
    return Volume(sitk.ReadImage(str(cached)), t2.name)


def _unit_slices(volume: Volume) -> np.ndarray:
    return find_mapping(volume, Modality.MR)(to_slices(volume.image, Plane.AXIAL))
