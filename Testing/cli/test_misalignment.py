"""``--misalignment``: three files and a line of the summary, and nothing when it is not asked for."""

from __future__ import annotations

import json
from pathlib import Path

import numpy as np
import pytest
import SimpleITK as sitk
from PIL import Image
from typer.testing import CliRunner

from CSAFusionLib.cli.main import app
from CSAFusionLib.cli.misalignment import map_files, misalignment_picture
from CSAFusionLib.errors import InputError


@pytest.fixture
def pair(tmp_path: Path) -> list[str]:
    """The files of a ball with structure, and of the same one 3 mm further left."""
    noise = sitk.GetImageFromArray(np.random.default_rng(7).normal(size=(28, 28, 28)).astype(np.float32))
    texture = sitk.GetArrayFromImage(sitk.SmoothingRecursiveGaussian(noise, 1.5))
    radius = np.linalg.norm(np.indices(texture.shape) - 13.5, axis=0)
    head = sitk.GetImageFromArray(np.where(radius < 11, 500 + 1000 * texture, 0).astype(np.float32))
    head.SetSpacing((3.0, 3.0, 3.0))
    files = [str(tmp_path / name) for name in ("fixed.nrrd", "moving.nrrd")]
    sitk.WriteImage(head, files[0])
    head.SetOrigin((3.0, 0.0, 0.0))
    sitk.WriteImage(head, files[1])
    return files


def _run(*arguments: str) -> str:
    result = CliRunner().invoke(app, list(arguments))
    assert result.exit_code == 0, result.output
    return result.output


def test_register_writes_map_uncertainty_and_picture(pair: list[str], tmp_path: Path) -> None:
    said = _run(
        "register", *pair, "--method", "none", "--transform", str(tmp_path / "t.tfm"),
        "--misalignment", str(tmp_path / "off.nii.gz"),
    )  # fmt: skip
    assert "Misalignment 95 % of the anatomy lies within 3." in said
    off, fixed = (sitk.ReadImage(file) for file in (str(tmp_path / "off.nii.gz"), pair[0]))
    assert off.GetSize() == fixed.GetSize() and np.allclose(off.GetOrigin(), fixed.GetOrigin())
    assert off[13, 13, 13] == pytest.approx(3.0, abs=0.4)
    assert 0 < sitk.ReadImage(str(tmp_path / "off-uncertainty.nii.gz"))[13, 13, 13] < 1
    assert Image.open(tmp_path / "off.png").height > 3 * 200


def test_fuse_tells_it_in_the_provenance(pair: list[str], tmp_path: Path) -> None:
    _run(
        "fuse", *pair, "-o", str(tmp_path / "fused.nrrd"), "--registration", "none", "--weights", "t1-t2",
        "--misalignment", str(tmp_path / "off.nrrd"), "--provenance", str(tmp_path / "how.json"),
    )  # fmt: skip
    told = json.loads((tmp_path / "how.json").read_text())["registration"]["misalignment"]
    assert told["within_mm"] == pytest.approx(3.3, abs=0.5)
    assert (tmp_path / "off-uncertainty.nrrd").exists()


def test_nothing_is_measured_when_it_is_not_asked_for(
    pair: list[str], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("CSAFusionLib.cli.misalignment.measure_misalignment", None)
    said = _run("register", *pair, "--method", "none", "--transform", str(tmp_path / "t.tfm"))
    assert "Misalignment" not in said


def test_the_map_may_not_take_the_place_of_another_output(pair: list[str], tmp_path: Path) -> None:
    picture = str(tmp_path / "off.png")
    result = CliRunner().invoke(
        app,
        ["register", *pair, "--transform", str(tmp_path / "t.tfm"), "--png", picture,
         "--misalignment", str(tmp_path / "off.nrrd")],
    )  # fmt: skip
    assert result.exit_code == 2
    assert "two outputs" in result.output
    assert not (tmp_path / "t.tfm").exists()


def test_the_map_of_a_pair_of_pictures_is_refused(tmp_path: Path) -> None:
    files = [str(tmp_path / f"{name}.png") for name in "ab"]
    for file in files:
        Image.new("L", (32, 32)).save(file)
    result = CliRunner().invoke(
        app, ["fuse", *files, "-o", str(tmp_path / "c.png"), "--misalignment", str(tmp_path / "m.nrrd")]
    )
    assert result.exit_code == 2 and "--misalignment does not apply to pictures" in result.output


def test_files_are_named_after_the_map() -> None:
    assert [file.name for file in map_files(Path("a/Off.NII.GZ"))] == [
        "Off.NII.GZ",
        "Off-uncertainty.NII.GZ",
        "Off.png",
    ]
    assert map_files(None) == ()
    with pytest.raises(InputError, match="must end in"):
        map_files(Path("off.jpg"))


def test_the_picture_leaves_grey_what_is_not_known() -> None:
    fixed = sitk.Image(20, 20, 20, sitk.sitkFloat32) + 1
    fixed[0, 0, 0] = 0
    nothing = sitk.Image(20, 20, 20, sitk.sitkFloat32) - 1
    picture = misalignment_picture(fixed, nothing, nothing)
    assert np.ptp(picture.astype(int), axis=-1).max() == 0
    something = sitk.Image(20, 20, 20, sitk.sitkFloat32) + 1.5
    assert np.ptp(misalignment_picture(fixed, something, nothing).astype(int), axis=-1).max() > 50
