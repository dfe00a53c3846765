"""The result does not depend on how the same two volumes are stored."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
import SimpleITK as sitk

from CSAFusionLib.fusion.pipeline import fuse_volumes
from CSAFusionLib.fusion.settings import FusionSettings
from CSAFusionLib.registration.quality.grading import Grade, Quality
from CSAFusionLib.registration.registration import Method, Registration
from CSAFusionLib.volumes.reading import read_volume

ALIGNED = Registration(
    sitk.Euler3DTransform(), Method.NONE, None, 0.0, quality=Quality(Grade.GOOD, "Made so.")
)  # fmt: skip
SINGLE_PRECISION = 5e-6
"""What the header of a NIfTI file keeps of positions."""


def _head(seed: int, spacing: tuple[float, float, float]) -> sitk.Image:
    z, y, x = np.mgrid[:6, :32, :28]
    inside = ((x - 14) / 12) ** 2 + ((y - 16) / 14) ** 2 < 1
    noise = np.random.default_rng(seed).random(x.shape)
    image = sitk.GetImageFromArray(np.where(inside, 300 + 90 * np.sin(x / 3) + 80 * noise, 9 * noise).astype(np.int16))
    image.SetSpacing(spacing)
    image.SetOrigin((-31.7, 12.3, -45.1))
    image.SetDirection(sitk.Euler3DTransform((0.0, 0.0, 0.0), 0.0, 0.0, 0.1).GetMatrix())
    return image


@pytest.fixture(scope="module")
def fused(weights_file: Path, tmp_path_factory: pytest.TempPathFactory):
    settings = FusionSettings(weights=str(weights_file), device="cpu")

    def fuse(extension: str, kind: int, orientation: str) -> np.ndarray:
        folder = tmp_path_factory.mktemp("stored")
        volumes = []
        for name, image in (("a", _head(1, (1.7, 1.3, 3.1))), ("b", _head(2, (1.71, 1.29, 3.05)))):
            path = folder / f"{name}{extension}"
            sitk.WriteImage(sitk.DICOMOrient(sitk.Cast(image, kind), orientation), str(path))
            volumes.append(read_volume(path))
        result = fuse_volumes(*volumes, settings, registration=ALIGNED)
        return sitk.GetArrayFromImage(sitk.DICOMOrient(result.fused, "LPS"))

    return fuse


@pytest.fixture(scope="module")
def expected(fused) -> np.ndarray:
    return fused(".nrrd", sitk.sitkInt16, "LPS")


@pytest.mark.parametrize("extension", [".nrrd", ".mha"])
@pytest.mark.parametrize(
    ("kind", "orientation"),
    [
        (sitk.sitkInt16, "PIR"),
        (sitk.sitkInt32, "LPS"),
        (sitk.sitkFloat32, "RAS"),
        (sitk.sitkFloat64, "LPS"),
    ],
)
def test_format_number_type_and_order_of_the_axes_change_no_bit(
    fused, expected: np.ndarray, extension: str, kind: int, orientation: str
) -> None:
    np.testing.assert_array_equal(fused(extension, kind, orientation), expected)


@pytest.mark.parametrize("orientation", ["LPS", "RAS"])
def test_a_nifti_differs_by_what_its_header_rounds(fused, expected: np.ndarray, orientation: str) -> None:
    found = fused(".nii.gz", sitk.sitkInt16, orientation)
    np.testing.assert_allclose(found, expected, atol=SINGLE_PRECISION)
