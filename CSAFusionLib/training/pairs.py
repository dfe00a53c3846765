"""Aligned pairs of 2-D images, from pictures or cut from volumes."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from enum import Enum
from pathlib import Path
from typing import TYPE_CHECKING, Literal

import numpy as np
import SimpleITK as sitk

from CSAFusionLib.errors import InputError
from CSAFusionLib.intensity.modality import Modality
from CSAFusionLib.intensity.voxel_values import rgb_to_yuv
from CSAFusionLib.progress import Progress, silent
from CSAFusionLib.volumes.pictures import read_picture

if TYPE_CHECKING:
    from CSAFusionLib.training.dataset import DataSet, SlicesOfKind

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
        InputError: the data set has no pair of a kind, or something of it is missing.
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
            from CSAFusionLib.training.volume_pairs import cut_pairs

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
    pixels = sitk.GetArrayFromImage(read_picture(path)).astype(np.float32) / 255
    return rgb_to_yuv(pixels)[..., 0].astype(np.float32) if pixels.ndim == 3 else pixels
