"""CSAFusionLib/cli/volume_outputs.py and metrics_table.py, as ``csafusion fuse`` uses them."""

from __future__ import annotations

import json
from pathlib import Path

import numpy as np
import pytest
import SimpleITK as sitk
from pydicom import dcmread
from typer.testing import CliRunner

import CSAFusionLib as csafusion
from CSAFusionLib.cli.main import app
from CSAFusionLib.geometry.grid import corners_apart, same_grid
from CSAFusionLib.volumes.reading import read_volume
from Testing.volumes.dicom.objects import write_classic

STUDY = {"PatientID": "P-17", "PatientName": "Doe^Jane", "FrameOfReferenceUID": "1.2.826.0.1.3680043.2.1125.88.9"}


@pytest.fixture
def scans(tmp_path: Path) -> Path:
    """A DICOM series, a moving volume on another grid, and a region on the fixed grid."""
    smooth = sitk.SmoothingRecursiveGaussian(
        sitk.GetImageFromArray(np.random.default_rng(0).normal(size=(8, 20, 24)).astype(np.float32)), 2.0
    )
    voxels = sitk.GetArrayFromImage(sitk.RescaleIntensity(smooth, 0, 1000))
    places = [(-20.0, -30.0, 5.0 + 3 * number) for number in range(8)]
    write_classic(tmp_path / "fixed", voxels.astype(np.uint16), positions=places, modality="MR", sop_class="4", **STUDY)
    fixed = read_volume(tmp_path / "fixed").image
    moving = sitk.Resample(fixed, [12, 20, 8], sitk.Transform(), sitk.sitkLinear, fixed.GetOrigin(), [1.5, 0.5, 3.0])
    sitk.WriteImage(1000 - sitk.Cast(moving, sitk.sitkFloat32), str(tmp_path / "moving.nii.gz"))
    region = fixed * 0
    region[8:16, :, :] = 1
    sitk.WriteImage(sitk.Cast(region, sitk.sitkUInt8), str(tmp_path / "region.nii.gz"))
    return tmp_path


@pytest.fixture
def fuse(scans: Path, weights_file: Path):
    """Runs the command on the two; returns its exit code and what it said."""

    def run(*words: str) -> tuple[int, str]:
        common = ["--registration", "none", "--weights", str(weights_file), "--device", "cpu"]
        common += ["--fixed-modality", "mr", "--moving-modality", "mr"]
        result = CliRunner().invoke(app, ["fuse", str(scans / "fixed"), str(scans / "moving.nii.gz"), *words, *common])
        return result.exit_code, result.output

    return run


def test_a_dicom_series_lies_in_its_folder_with_the_fixed_grid(scans: Path, fuse) -> None:
    code, said = fuse("-o", str(scans / "out"), "--dicom", "--provenance", str(scans / "how.json"))
    assert code == 0, said
    files = sorted((scans / "out").iterdir())
    assert [file.name for file in files] == [f"IM0000{number}.dcm" for number in range(1, 9)]
    assert corners_apart(read_volume(scans / "out").image, read_volume(scans / "fixed").image) < 1e-6
    assert dcmread(files[0]).PatientID == "P-17"
    assert "different patients" not in said
    told = said + (scans / "how.json").read_text()
    assert not any(word in told for word in ("P-17", "Doe", "Jane"))


def test_a_dicom_series_goes_to_a_new_folder_alone(scans: Path, fuse) -> None:
    before = sorted((scans / "fixed").iterdir())
    code, said = fuse("-o", str(scans / "fixed"), "--dicom")
    assert code == 2
    assert "is not empty" in said
    assert sorted((scans / "fixed").iterdir()) == before


def test_a_dicom_series_of_a_fixed_volume_that_is_none_is_refused_before_any_work(scans: Path, weights_file) -> None:
    moving = str(scans / "moving.nii.gz")
    result = CliRunner().invoke(app, ["fuse", moving, str(scans / "fixed"), "-o", str(scans / "out"), "--dicom"])
    assert result.exit_code == 2
    assert "give FIXED as DICOM" in result.output.splitlines()[-1]
    assert not (scans / "out").exists()


def test_what_the_panel_gives_the_command_gives_too(scans: Path, fuse, weights_file: Path) -> None:
    names = {"registered": "moved.nii.gz", "contribution": "share.nii.gz", "metrics": "slices.tsv"}
    options = [word for name, file in names.items() for word in (f"--{name}", str(scans / file))]
    code, said = fuse("-o", str(scans / "fused.nrrd"), "--region", str(scans / "region.nii.gz"), *options)
    assert code == 0, said
    by_python = csafusion.fuse(
        scans / "fixed",
        scans / "moving.nii.gz",
        registration="none",
        weights=weights_file,
        device="cpu",
        fixed_modality="mr",
        moving_modality="mr",
        region=scans / "region.nii.gz",
        contribution=True,
    )
    for image, file in (
        (by_python.fused, "fused.nrrd"),
        (by_python.moving_on_grid, "moved.nii.gz"),
        (by_python.contribution, "share.nii.gz"),
    ):
        written = read_volume(scans / file).image
        assert same_grid(written, image)
        np.testing.assert_array_equal(sitk.GetArrayFromImage(written), sitk.GetArrayFromImage(image))
    rows = [line.split("\t") for line in (scans / "slices.tsv").read_text().splitlines()]
    assert rows[0][:4] == ["slice", "r_mm", "a_mm", "s_mm"]
    assert [row[0] for row in rows[1:]] == [str(number) for number in range(1, 9)]
    column = rows[0].index("ssim_fixed")
    np.testing.assert_allclose([float(row[column]) for row in rows[1:]], by_python.figures["ssim_fixed"], atol=1e-6)
    # The middle of the first slice.
    assert [float(word) for word in rows[1][1:4]] == pytest.approx([20 - 11.5 * 0.75, 30 - 9.5 * 0.5, 5])


@pytest.mark.parametrize(
    ("options", "reason"),
    [
        (["--region", "moving.nii.gz"], "does not lie on the fixed volume's grid"),
        (["--metrics", "slices.txt"], "must end in .tsv"),
        (["--contribution", "share.png"], "must end in"),
        (["--registered", "fused.nrrd"], "named for two outputs"),
    ],
)
def test_what_cannot_be_given_is_told_in_one_sentence(scans: Path, fuse, options: list[str], reason: str) -> None:
    code, said = fuse("-o", str(scans / "fused.nrrd"), options[0], str(scans / options[1]))
    assert code == 2
    assert reason in said.splitlines()[-1]
    assert not (scans / "fused.nrrd").exists()


def test_provenance_holds_a_warning_of_two_patients(scans: Path, fuse) -> None:
    write_classic(scans / "other", positions=[(-20.0, -30.0, 5.0 + 3 * n) for n in range(4)], PatientID="someone else")
    (scans / "moving.nii.gz").unlink()
    other = read_volume(scans / "other").image
    assert other.GetSize()[2] == 4
    (scans / "other").rename(scans / "moving.nii.gz")
    code, said = fuse("-o", str(scans / "out"), "--dicom", "--provenance", str(scans / "how.json"))
    assert code == 0, said
    warnings = json.loads((scans / "how.json").read_text())["warnings"]
    assert any("name different patients" in warning for warning in warnings)
    assert "someone" not in said
