"""Fixtures of the volume tests."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest
import SimpleITK as sitk

_ROTATION = np.array([[1, 0, 0], [0, 0.8, -0.6], [0, 0.6, 0.8]])


def _write_series(
    folder: Path,
    *,
    places: tuple[float, ...] = (0, 3, 6, 9, 12),
    modality: str = "CT",
    series_uid: str = "1.2.826.0.1.3680043.2.1125.1",
    slopes: tuple[float, ...] | None = None,
    intercept: float = -1024,
    tilt: float = 0,
    oblique: bool = False,
    description: str = "axial head",
    size: tuple[int, int] = (8, 6),
    prefix: str = "a",
) -> np.ndarray:
    """Write one DICOM file for each place (mm along the slice normal) and return the true values (S, H, W)."""
    folder.mkdir(exist_ok=True)
    rotation = _ROTATION if oblique else np.eye(3)
    slopes = slopes or (1,) * len(places)
    stored = np.random.default_rng(0).integers(1000, 3000, (len(places), *size))
    for number, (place, slope) in enumerate(zip(places, slopes, strict=True)):
        position = rotation @ (10, 20 + tilt * place, place)
        values = stored[number] * slope + intercept
        image = sitk.GetImageFromArray(values[None].astype(np.float32))
        image.SetSpacing((0.5, 0.75, 3))
        tags = {
            "0008|0016": "1.2.840.10008.5.1.4.1.1.2",
            "0008|0018": f"{series_uid}.{ord(prefix)}{number + 1}",
            "0008|0060": modality,
            "0008|103e": description,
            "0018|0050": "3",
            "0020|000d": "1.2.826.0.1.3680043.2.1125.9",
            "0020|000e": series_uid,
            "0020|0013": str(number + 1),
            "0020|0032": "\\".join(f"{x:.6f}" for x in position),
            "0020|0037": "\\".join(f"{x:.6f}" for x in rotation[:, :2].T.ravel()),
            "0028|0100": "16",
            "0028|0101": "16",
            "0028|0102": "15",
            "0028|0103": "1",
            "0028|1052": str(intercept),
            "0028|1053": str(slope),
        }
        for tag, value in tags.items():
            image.SetMetaData(tag, value)
        writer = sitk.ImageFileWriter()
        writer.KeepOriginalImageUIDOn()
        # Numbered against their order in space, which the reader must find from the positions.
        writer.SetFileName(str(folder / f"{prefix}{len(places) - number:03d}.dcm"))
        writer.Execute(image)
    return stored * np.array(slopes)[:, None, None] + intercept


@pytest.fixture
def write_series() -> Callable[..., np.ndarray]:
    """A function that writes a small DICOM series to a folder and returns the values it holds."""
    return _write_series
