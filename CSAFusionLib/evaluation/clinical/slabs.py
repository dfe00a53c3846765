"""The volumes whose steadiness is measured: runs of consecutive slices from aligned pairs of the data set."""

from __future__ import annotations

from collections.abc import Collection
from dataclasses import dataclass, replace
from itertools import groupby
from pathlib import Path

import numpy as np
import SimpleITK as sitk

from CSAFusionLib.geometry.planes import Plane, slice_spacing, to_slices
from CSAFusionLib.geometry.resampling import resample_to_grid
from CSAFusionLib.intensity.mapping import find_mapping
from CSAFusionLib.intensity.modality import Modality
from CSAFusionLib.progress import Progress, silent
from CSAFusionLib.training.pairs import ImagePair, PairKind
from CSAFusionLib.training.volume_pairs import read_volume_pairs
from CSAFusionLib.volumes.reading import read_volume

_SLICES = 24
_LEAST_CONTENT = 0.1
"""Slices where either source is darker than this on more than nine tenths of the area are not counted."""


@dataclass(frozen=True)
class Slab:
    """Consecutive axial slices of two aligned volumes, (S, H, W) float32 in [0, 1], ``spacing`` mm apart."""

    kind: PairKind
    name: str
    a: np.ndarray
    b: np.ndarray
    spacing: float


@dataclass(frozen=True)
class _AlignedVolumes:
    """Two volumes in one space, by their files' names inside the volumes folder; ``mr`` gives the grid."""

    kind: PairKind
    modality: Modality
    other: str
    mr: str


_ALIGNED = (
    _AlignedVolumes(PairKind.SPECT_MRI, Modality.SPECT, "templates/spm_SPECT.nii.gz", "templates/spm_T1.nii.gz"),
    _AlignedVolumes(PairKind.PET_MRI, Modality.PET, "templates/spm_PET.nii.gz", "templates/spm_T1.nii.gz"),
    _AlignedVolumes(PairKind.PET_MRI, Modality.PET, "pyapetnet/PET_osem.nii.gz", "pyapetnet/T1_2000.nii.gz"),
    _AlignedVolumes(PairKind.CT_MRI, Modality.CT, "templates/scct.nii.gz", "templates/avg152T1.nii.gz"),
    _AlignedVolumes(
        PairKind.CT_MRI, Modality.CT, "rire/CT_slab_in_T1_grid_slices7-11.nii.gz", "rire/T1_slab_slices7-11.nii.gz"
    ),
)


def read_slabs(
    volumes: Path, kinds: Collection[PairKind], *, registered: Path, progress: Progress = silent
) -> list[Slab]:
    """Read the middle 24 slices, or as many as there are, of every volume of ``kinds`` that steadiness is measured on.

    These are the T1-T2 patients of ``val``, and of CT, PET and SPECT what the data set has in three dimensions, which
    no network is trained on.

    Args:
        volumes: the folder of volumes.
        kinds: the volumes of other kinds are neither read nor registered.
        registered: a folder that keeps registered volumes, so that they are registered once.
        progress: told of each volume that is registered.

    Raises:
        InputError: a volume is missing.
    """
    slabs = [_read_aligned(pair, volumes) for pair in _ALIGNED if pair.kind in kinds]
    if PairKind.T1_T2 in kinds:
        slabs += _stack(read_volume_pairs(volumes, "val", registered=registered, progress=progress))
    return [_middle(slab) for slab in slabs]


def _read_aligned(pair: _AlignedVolumes, volumes: Path) -> Slab:
    other, mr = read_volume(volumes / pair.other), read_volume(volumes / pair.mr)
    lowest = float(sitk.GetArrayViewFromImage(other.image).min())
    on_grid = resample_to_grid(other.image, mr.image, sitk.Transform(), lowest)
    return Slab(
        kind=pair.kind,
        name=pair.other.split(".")[0],
        a=find_mapping(other, pair.modality)(to_slices(on_grid, Plane.AXIAL)),
        b=find_mapping(mr, Modality.MR)(to_slices(mr.image, Plane.AXIAL)),
        spacing=slice_spacing(mr.image, Plane.AXIAL)[0],
    )


def _stack(pairs: list[ImagePair]) -> list[Slab]:
    """Put the slices of each volume, which follow each other, back together."""
    slabs = []
    for name, slices in groupby(pairs, key=lambda pair: pair.name.rpartition("-")[0]):
        members = list(slices)
        a, b = np.stack([pair.a for pair in members]), np.stack([pair.b for pair in members])
        assert members[0].spacing is not None
        slabs.append(Slab(members[0].kind, name, a, b, members[0].spacing))
    return slabs


def _middle(slab: Slab) -> Slab:
    """Return the run of slices in the middle of those that both sources show the head in."""
    content = [(volume > _LEAST_CONTENT).mean(axis=(1, 2)) for volume in (slab.a, slab.b)]
    shown = np.flatnonzero(np.minimum(*content) >= _LEAST_CONTENT)
    first = max(shown[0], (shown[0] + shown[-1] + 1 - _SLICES) // 2)
    run = slice(first, min(first + _SLICES, shown[-1] + 1))
    return replace(slab, a=slab.a[run], b=slab.b[run])
