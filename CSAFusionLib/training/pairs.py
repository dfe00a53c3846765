"""Aligned pairs of 2-D images, read from the folders of the slices data set and its split by patient."""

from __future__ import annotations

import json
from dataclasses import dataclass
from enum import Enum
from pathlib import Path
from typing import Literal

import numpy as np
import SimpleITK as sitk

from CSAFusionLib.errors import InputError
from CSAFusionLib.intensity.colour import rgb_to_yuv
from CSAFusionLib.volumes.pictures import read_picture

Split = Literal["train", "val"]


class PairKind(Enum):
    """The pairs of modalities the network is trained on; the value is the data set's folder name."""

    CT_MRI = "CT-MRI"
    SPECT_MRI = "SPECT-MRI"
    PET_MRI = "PET-MRI"
    T1_T2 = "T1-T2"


@dataclass(frozen=True)
class ImagePair:
    """Two aligned slices, each (H, W) float32 in [0, 1]: a is CT, PET, SPECT or T1, b is MR or T2.

    ``spacing`` is that of a volume's slices, in mm; None for pictures.
    """

    a: np.ndarray
    b: np.ndarray
    kind: PairKind
    name: str
    spacing: float | None = None


def read_slice_pairs(slices: Path, kind: PairKind, split: Split) -> list[ImagePair]:
    """Read the pairs of one kind that ``slices/split.json`` puts into ``split``; colour images as luminance.

    Raises:
        InputError: the folder, its split file, or an image is missing.
    """
    split_file = slices / "split.json"
    if not split_file.is_file():
        raise InputError(f"{slices} holds no split.json; give the folder of the slices data set.")
    names = json.loads(split_file.read_text(encoding="utf-8"))[kind.value][split]
    first, second = kind.value.split("-")
    folder = slices / kind.value
    return [
        ImagePair(
            a=read_luminance(folder / first / f"{name}.png"),
            b=read_luminance(folder / second / f"{name}.png"),
            kind=kind,
            name=name,
        )
        for name in names
    ]


def read_luminance(path: Path) -> np.ndarray:
    """Read an 8-bit picture as (H, W) float32 in [0, 1]; colour gives the Y of BT.601."""
    pixels = sitk.GetArrayFromImage(read_picture(path)).astype(np.float32) / 255
    return rgb_to_yuv(pixels)[..., 0].astype(np.float32) if pixels.ndim == 3 else pixels
