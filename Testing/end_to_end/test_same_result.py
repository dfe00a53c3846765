"""The result depends neither on how the volumes are stored nor on who asks: command, batch, Python or the panel."""

from __future__ import annotations

import time
from collections.abc import Callable
from pathlib import Path, PurePosixPath

import numpy as np
import pytest
import SimpleITK as sitk

from CSAFusionLib.api import fuse
from CSAFusionLib.batch.case import Case, Place
from CSAFusionLib.batch.perform import perform
from CSAFusionLib.fusion.pipeline import fuse_volumes
from CSAFusionLib.fusion.settings import FusionSettings
from CSAFusionLib.registration.quality.grading import Grade, Quality
from CSAFusionLib.registration.registration import Method, Registration
from CSAFusionLib.volumes.reading import read_volume
from CSAFusionLib.worker.job import Job, ProgressEvent, ResultEvent
from CSAFusionLib.worker.launch import WorkerProcess

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


Heads = tuple[Path, Path]


def by_the_panels_process(heads: Heads, settings: FusionSettings) -> sitk.Image:
    worker = WorkerProcess(Job(*map(read_volume, heads), settings))
    worker.start()
    while True:
        for event in worker.poll():
            if not isinstance(event, ProgressEvent):
                assert isinstance(event, ResultEvent), event
                return event.result.fused
        time.sleep(0.05)


@pytest.mark.slow
def test_every_way_gives_the_same_voxels(csafusion: Callable, heads: Heads, tmp_path: Path, weights_file: Path) -> None:
    settings = FusionSettings(registration="sitk", weights=str(weights_file), device="cpu")
    known = sitk.Hash(fuse(*heads, settings).fused)
    words = ("--registration", "sitk", "--weights", weights_file, "--device", "cpu")
    assert csafusion("fuse", *heads, "-o", tmp_path / "fused.nii.gz", *words).exit_code == 0
    record = perform(Case("one", *heads, settings, Place(PurePosixPath("one"))), tmp_path, "csafusion batch")
    assert sitk.Hash(sitk.ReadImage(str(record.output("fused")))) == known
    assert record.output("fused").read_bytes() == (tmp_path / "fused.nii.gz").read_bytes()
    assert sitk.Hash(by_the_panels_process(heads, settings)) == known
