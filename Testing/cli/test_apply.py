"""CSAFusionLib/cli/apply.py, and the options of cli/transform_options.py as fuse and register take them."""

from __future__ import annotations

import json
from pathlib import Path

import numpy as np
import pytest
import SimpleITK as sitk
from typer.testing import CliRunner

import CSAFusionLib as csafusion
from CSAFusionLib.cli.main import app

SHIFT = sitk.TranslationTransform(3, (4.0, 0.0, 0.0))


@pytest.fixture
def scans(tmp_path: Path) -> Path:
    """A folder with a fixed and a moving volume, labels on the moving one, and a transform from fixed to moving."""
    noise = np.random.default_rng(0).normal(size=(12, 14, 16)).astype(np.float32)
    smooth = sitk.GetArrayFromImage(sitk.SmoothingRecursiveGaussian(sitk.GetImageFromArray(noise), 1.5))
    labels = (smooth > smooth.mean()).astype(np.uint8) * 9
    for name, voxels in (
        ("fixed", 100 + 500 * smooth),
        ("moving", 100 + 500 * np.roll(smooth, 1, 2)),
        ("lesions", labels),
    ):
        image = sitk.GetImageFromArray(voxels)
        image.SetSpacing((4.0, 4.0, 4.0))
        sitk.WriteImage(image, str(tmp_path / f"{name}.nii.gz"))
    sitk.WriteTransform(SHIFT, str(tmp_path / "shift.tfm"))
    return tmp_path


def _run(folder: Path, *words: str) -> tuple[int, str]:
    files = [str(folder / word) if "." in word and not word.startswith("-") else word for word in words]
    result = CliRunner().invoke(app, files)
    return result.exit_code, result.output


def _voxels(path: Path) -> np.ndarray:
    return sitk.GetArrayFromImage(sitk.ReadImage(str(path)))


def test_labels_are_brought_along_on_the_fixed_grid(scans: Path) -> None:
    code, said = _run(
        scans, "apply", "shift.tfm", "lesions.nii.gz", "--reference", "fixed.nii.gz", "-o", "out.nii.gz", "--labels"
    )
    assert code == 0, said
    moved, labels = _voxels(scans / "out.nii.gz"), _voxels(scans / "lesions.nii.gz")
    np.testing.assert_array_equal(moved[..., :-1], labels[..., 1:])
    assert moved.dtype == np.uint8
    assert "Transform    ITK" in said


def test_the_inverse_goes_the_other_way_and_two_transforms_follow_each_other(scans: Path) -> None:
    there = ["--reference", "fixed.nii.gz", "-o", "out.nii.gz", "--labels"]
    labels = _voxels(scans / "lesions.nii.gz")
    assert _run(scans, "apply", "shift.tfm", "lesions.nii.gz", *there, "--inverse")[0] == 0
    np.testing.assert_array_equal(_voxels(scans / "out.nii.gz")[..., 1:], labels[..., :-1])
    assert _run(scans, "apply", "shift.tfm", "lesions.nii.gz", *there, "--then", "shift.tfm", "--overwrite")[0] == 0
    np.testing.assert_array_equal(_voxels(scans / "out.nii.gz")[..., :-2], labels[..., 2:])


def test_the_command_and_python_give_the_same_voxels(scans: Path) -> None:
    assert _run(scans, "apply", "shift.tfm", "moving.nii.gz", "--reference", "fixed.nii.gz", "-o", "out.nrrd")[0] == 0
    image = csafusion.apply_transform(str(scans / "shift.tfm"), scans / "moving.nii.gz", scans / "fixed.nii.gz")
    np.testing.assert_array_equal(_voxels(scans / "out.nrrd"), sitk.GetArrayFromImage(image))


@pytest.mark.parametrize("output", ["shift.tfm", "lesions.nii.gz", "fixed.nii.gz", "out.png"])
def test_an_output_that_is_an_input_or_no_volume_is_refused(scans: Path, output: str) -> None:
    before = (scans / "shift.tfm").read_bytes()
    code, said = _run(scans, "apply", "shift.tfm", "lesions.nii.gz", "--reference", "fixed.nii.gz", "-o", output)
    assert code == 2
    assert len(said.strip().splitlines()) == 1
    assert (scans / "shift.tfm").read_bytes() == before


def test_a_fusion_takes_a_transform_instead_of_a_registration(scans: Path, weights_file: Path) -> None:
    common = ["--weights", str(weights_file), "--device", "cpu", "--fixed-modality", "mr", "--moving-modality", "mr"]
    words = [
        "fuse",
        "fixed.nii.gz",
        "moving.nii.gz",
        "-o",
        "fused.nii.gz",
        "--provenance",
        "how.json",
        "--transform",
        "used.tfm",
    ]
    code, said = _run(scans, *words, *common, "--use-transform", "shift.tfm")
    assert code == 0, said
    assert "none, a given transform: ITK" in said
    registration = json.loads((scans / "how.json").read_text())["registration"]
    assert registration["given"][0]["format"] == "ITK"
    assert registration["verdict"]
    np.testing.assert_allclose(np.array(registration["matrix_lps_mm"])[:3, 3], [4, 0, 0])
    point = (1.0, 2.0, 3.0)
    assert sitk.ReadTransform(str(scans / "used.tfm")).TransformPoint(point) == SHIFT.TransformPoint(point)
    assert "shift.tfm" not in (scans / "how.json").read_text()
    by_python = csafusion.fuse(
        scans / "fixed.nii.gz",
        scans / "moving.nii.gz",
        transform=scans / "shift.tfm",
        weights=weights_file,
        device="cpu",
        fixed_modality="mr",
        moving_modality="mr",
    )
    np.testing.assert_array_equal(sitk.GetArrayFromImage(by_python.fused), _voxels(scans / "fused.nii.gz"))


def test_a_registration_starts_where_it_is_told(scans: Path) -> None:
    words = ["register", "fixed.nii.gz", "moving.nii.gz", "--method", "none", "--transform", "found.tfm"]
    code, said = _run(scans, *words, "--initial-transform", "shift.tfm", "--inverse")
    assert code == 0, said
    assert "none from a given transform (ITK, inverse)" in said
    point = sitk.ReadTransform(str(scans / "found.tfm")).TransformPoint((0.0, 0.0, 0.0))
    np.testing.assert_allclose(point, [-4, 0, 0], atol=1e-9)


@pytest.mark.parametrize(
    ("options", "reason"),
    [
        (["--use-transform", "shift.tfm", "--initial-transform", "shift.tfm"], "give one of them"),
        (["--use-transform", "shift.tfm", "--registration", "sitk"], "leave out --registration"),
        (["--inverse"], "--inverse tells of a given transform"),
        (["--use-transform", "none.tfm"], "does not exist"),
        (["--use-transform", "shift.tfm", "--matrix", "spm"], "spm"),
    ],
)
def test_options_that_do_not_go_together_are_told_in_one_sentence(scans: Path, options: list[str], reason: str) -> None:
    code, said = _run(scans, "fuse", "fixed.nii.gz", "moving.nii.gz", "-o", "fused.nii.gz", *options)
    assert code == 2
    assert reason in said
    assert len(said.strip().splitlines()) == 1
    assert not (scans / "fused.nii.gz").exists()
