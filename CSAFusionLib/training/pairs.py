"""Aligned pairs of 2-D images: pictures, or slices of two volumes that ANTs aligns where the data set asks for it.

The article continues with affine and SyN. Here both images of a pair come from one head in one visit, which moves
rigidly; a deformation would fit noise, at some ten times the cost.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from enum import Enum
from pathlib import Path
from typing import TYPE_CHECKING, Literal

import numpy as np
import SimpleITK as sitk

from CSAFusionLib.errors import InputError
from CSAFusionLib.geometry.field_of_view import resample_to_grid
from CSAFusionLib.geometry.grid import same_grid
from CSAFusionLib.geometry.planes import Plane, slice_spacing, to_slices
from CSAFusionLib.intensity.mapping import IntensityMapping, beside_mr, find_mapping
from CSAFusionLib.intensity.modality import Modality
from CSAFusionLib.intensity.voxel_values import rgb_to_yuv
from CSAFusionLib.progress import Progress, silent
from CSAFusionLib.registration.register import register
from CSAFusionLib.registration.registration import Method, TransformModel
from CSAFusionLib.volumes.pictures import read_picture
from CSAFusionLib.volumes.reading import read_volume
from CSAFusionLib.volumes.volume import Volume
from CSAFusionLib.volumes.writing import write_volume

if TYPE_CHECKING:
    from CSAFusionLib.training.dataset import DataSet, SlicesOfKind, VolumePair


Split = Literal["train", "val"]


class PairKind(Enum):
    """The pairs of modalities the network is trained on, by the names that data sets and tables use."""

    CT_MRI = "CT-MRI"
    SPECT_MRI = "SPECT-MRI"
    PET_MRI = "PET-MRI"
    T1_T2 = "T1-T2"

    @property
    def modalities(self) -> tuple[Modality, Modality]:
        """The modality of A and that of B."""
        first = {"CT-MRI": Modality.CT, "SPECT-MRI": Modality.SPECT, "PET-MRI": Modality.PET}
        return first.get(self.value, Modality.MR), Modality.MR


@dataclass(frozen=True)
class ImagePair:
    """Two aligned slices, each (H, W) float32 in [0, 1]: a is CT, PET, SPECT or T1, b is MR or T2.

    ``spacing`` is that of a volume's slices, in mm; None for pictures. ``source`` is the picture that A comes from.
    """

    a: np.ndarray
    b: np.ndarray
    kind: PairKind
    name: str
    spacing: float | None = None
    patient: str = ""
    source: Path | None = None


def read_pairs(
    dataset: DataSet, kinds: Sequence[PairKind], split: Split, *, registered: Path, progress: Progress = silent
) -> list[ImagePair]:
    """Read every pair of ``kinds`` in ``split``: the pictures of a kind, then the slices of its volumes.

    Args:
        split: ``train`` or ``val``; no patient is in both.
        registered: a folder that keeps registered volumes, so that they are registered once.
        progress: told of each volume that is registered.

    Raises:
        InputError: the data set has no pair of a kind, or one of its files is missing.
    """
    pairs: list[ImagePair] = []
    for kind in kinds:
        volumes = dataset.volume_pairs([kind], split)
        slices = dataset.slices.get(kind)
        in_pictures = slices is not None and bool(slices.names.get(split))
        if not in_pictures and not volumes:
            raise InputError(
                f"The data set has no pairs of {kind.value} for {split}; check its dataset.json and split.json."
            )
        if slices is not None and in_pictures:
            pairs += read_slice_pairs(slices, kind, split)
        if volumes:
            pairs += [cut for pair in volumes for cut in cut_pairs(pair, registered=registered, progress=progress)]
    return pairs


def read_slice_pairs(slices: SlicesOfKind, kind: PairKind, split: Split) -> list[ImagePair]:
    """Read the pictures of one kind and split; colour images as luminance.

    Raises:
        InputError: a picture is missing or unreadable.
    """
    return [
        ImagePair(
            a=read_luminance(slices.a / f"{name}.png"),
            b=read_luminance(slices.b / f"{name}.png"),
            kind=kind,
            name=name,
            patient=name[: len(name) - slices.digits_of_slice],
            source=slices.a / f"{name}.png",
        )
        for name in slices.names[split]
    ]


def read_luminance(path: Path) -> np.ndarray:
    """Read an 8-bit picture as (H, W) float32 in [0, 1]; colour gives the Y of BT.601."""
    pixels = read_picture(path).astype(np.float32) / 255
    return rgb_to_yuv(pixels)[..., 0].astype(np.float32) if pixels.ndim == 3 else pixels


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
        of_a, of_b = beside_mr(of_a, a, is_t1=True), beside_mr(of_b, b, is_t1=False)
    return of_a, of_b


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
