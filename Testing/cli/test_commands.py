"""How commands pass their options on."""

from __future__ import annotations

import hashlib
import json
import os
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import SimpleITK as sitk
import typer
from PIL import Image
from typer.testing import CliRunner

import CSAFusionLib as csafusion
from CSAFusionLib.cli.common_options import Distrusted, fail_on_grade, fail_on_quality
from CSAFusionLib.cli.fuse import _are_pictures
from CSAFusionLib.cli.main import app
from CSAFusionLib.cli.misalignment import map_files, misalignment_picture
from CSAFusionLib.errors import InputError
from CSAFusionLib.registration.engines.brainsfit import EXECUTABLE_VARIABLE
from CSAFusionLib.registration.quality.grading import Grade, Quality
from CSAFusionLib.registration.registration import Method, Registration, TransformModel
from CSAFusionLib.volumes.pictures import write_picture
from Testing.volumes.dicom.objects import write_classic


@pytest.fixture
def scans(tmp_path: Path) -> tuple[Path, Path]:
    """Two folders of DICOM slices."""
    return write_classic(tmp_path / "ct"), write_classic(tmp_path / "mr")


def with_picture(folder: Path) -> Path:
    folder.mkdir(exist_ok=True)
    write_picture(np.eye(8, dtype=np.uint8), folder / "preview.png")
    return folder


def test_previews_beside_slices_do_not_turn_a_scan_into_pictures(scans: tuple[Path, Path]) -> None:
    fixed, moving = scans
    with_picture(fixed)
    assert not _are_pictures(fixed, moving)
    with_picture(moving)
    assert not _are_pictures(fixed, moving)


def test_folders_of_pictures_alone_are_pictures_and_do_not_go_with_a_scan(
    tmp_path: Path, scans: tuple[Path, Path]
) -> None:
    pictures = with_picture(tmp_path / "a"), with_picture(tmp_path / "b")
    (pictures[0] / "Thumbs.db").write_bytes(b"not an image")
    assert _are_pictures(*pictures)
    with pytest.raises(InputError, match="holds 2-D pictures"):
        _are_pictures(pictures[0], with_picture(scans[0]))


@pytest.fixture
def asked(monkeypatch: pytest.MonkeyPatch) -> dict[str, Any]:
    """What the registration was asked for, which gives no motion at once."""
    words: dict[str, Any] = {}

    def find_nothing(fixed, moving, method: Method, model: TransformModel, **more) -> Registration:
        words.update(method=method, model=model, **more)
        return Registration(sitk.Euler3DTransform(), method, model, 0.0)

    monkeypatch.setattr("CSAFusionLib.fusion.pipeline.register", find_nothing)
    monkeypatch.setenv(EXECUTABLE_VARIABLE, "as it was")
    return words


def _register(folder: Path, *options: str) -> None:
    for name in ("fixed.nrrd", "moving.nrrd"):
        voxels = np.random.default_rng(0).normal(size=(9, 10, 11)).astype(np.float32)
        sitk.WriteImage(sitk.GetImageFromArray(voxels), str(folder / name))
    files = [str(folder / name) for name in ("fixed.nrrd", "moving.nrrd")]
    result = CliRunner().invoke(app, ["register", *files, "--transform", str(folder / "t.h5"), "--overwrite", *options])
    assert result.exit_code == 0, result.output


def test_it_is_repeatable_unless_all_threads_are_asked_for(asked, tmp_path: Path) -> None:
    _register(tmp_path)
    assert (asked["threads"], asked["seed"]) == (None, 0)
    _register(tmp_path, "--all-threads")
    assert asked["threads"] == os.cpu_count()


def test_the_articles_sequence_is_a_model_of_ants(asked, tmp_path: Path) -> None:
    _register(tmp_path, "--method", "ants", "--model", "rigid_affine_syn")
    assert (asked["method"], asked["model"]) == (Method.ANTS, TransformModel.RIGID_AFFINE_SYN)


def test_the_executable_of_brainsfit_can_be_named(asked, tmp_path: Path) -> None:
    _register(tmp_path)
    assert os.environ[EXECUTABLE_VARIABLE] == "as it was"
    _register(tmp_path, "--method", "brains", "--brainsfit", "/opt/BRAINSFit")
    assert os.environ[EXECUTABLE_VARIABLE] == "/opt/BRAINSFit"


SHIFT = sitk.TranslationTransform(3, (4.0, 0.0, 0.0))


@pytest.fixture
def folder(tmp_path: Path) -> Path:
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


def test_labels_are_brought_along_on_the_fixed_grid(folder: Path) -> None:
    code, said = _run(
        folder, "apply", "shift.tfm", "lesions.nii.gz", "--reference", "fixed.nii.gz", "-o", "out.nii.gz", "--labels"
    )
    assert code == 0, said
    moved, labels = _voxels(folder / "out.nii.gz"), _voxels(folder / "lesions.nii.gz")
    np.testing.assert_array_equal(moved[..., :-1], labels[..., 1:])
    assert moved.dtype == np.uint8
    assert "Transform    ITK" in said


def test_the_inverse_goes_the_other_way_and_two_transforms_follow_each_other(folder: Path) -> None:
    there = ["--reference", "fixed.nii.gz", "-o", "out.nii.gz", "--labels"]
    labels = _voxels(folder / "lesions.nii.gz")
    assert _run(folder, "apply", "shift.tfm", "lesions.nii.gz", *there, "--inverse")[0] == 0
    np.testing.assert_array_equal(_voxels(folder / "out.nii.gz")[..., 1:], labels[..., :-1])
    assert _run(folder, "apply", "shift.tfm", "lesions.nii.gz", *there, "--then", "shift.tfm", "--overwrite")[0] == 0
    np.testing.assert_array_equal(_voxels(folder / "out.nii.gz")[..., :-2], labels[..., 2:])


def test_the_command_and_python_give_the_same_voxels(folder: Path) -> None:
    assert _run(folder, "apply", "shift.tfm", "moving.nii.gz", "--reference", "fixed.nii.gz", "-o", "out.nrrd")[0] == 0
    image = csafusion.apply_transform(str(folder / "shift.tfm"), folder / "moving.nii.gz", folder / "fixed.nii.gz")
    np.testing.assert_array_equal(_voxels(folder / "out.nrrd"), sitk.GetArrayFromImage(image))


@pytest.mark.parametrize("output", ["shift.tfm", "lesions.nii.gz", "fixed.nii.gz", "out.png"])
def test_an_output_that_is_an_input_or_no_volume_is_refused(folder: Path, output: str) -> None:
    before = (folder / "shift.tfm").read_bytes()
    code, said = _run(folder, "apply", "shift.tfm", "lesions.nii.gz", "--reference", "fixed.nii.gz", "-o", output)
    assert code == 2
    assert len(said.strip().splitlines()) == 1
    assert (folder / "shift.tfm").read_bytes() == before


def test_a_fusion_takes_a_transform_instead_of_a_registration(folder: Path, weights_file: Path) -> None:
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
    code, said = _run(folder, *words, *common, "--use-transform", "shift.tfm")
    assert code == 0, said
    assert "none, a given transform: ITK" in said
    registration = json.loads((folder / "how.json").read_text())["registration"]
    assert registration["given"][0]["format"] == "ITK"
    assert registration["verdict"]
    np.testing.assert_allclose(np.array(registration["matrix_lps_mm"])[:3, 3], [4, 0, 0])
    point = (1.0, 2.0, 3.0)
    assert sitk.ReadTransform(str(folder / "used.tfm")).TransformPoint(point) == SHIFT.TransformPoint(point)
    assert "shift.tfm" not in (folder / "how.json").read_text()
    by_python = csafusion.fuse(
        folder / "fixed.nii.gz",
        folder / "moving.nii.gz",
        transform=folder / "shift.tfm",
        weights=weights_file,
        device="cpu",
        fixed_modality="mr",
        moving_modality="mr",
    )
    np.testing.assert_array_equal(sitk.GetArrayFromImage(by_python.fused), _voxels(folder / "fused.nii.gz"))


def test_a_registration_starts_where_it_is_told(folder: Path) -> None:
    words = ["register", "fixed.nii.gz", "moving.nii.gz", "--method", "none", "--transform", "found.tfm"]
    code, said = _run(folder, *words, "--initial-transform", "shift.tfm", "--inverse")
    assert code == 0, said
    assert "none from a given transform (ITK, inverse)" in said
    point = sitk.ReadTransform(str(folder / "found.tfm")).TransformPoint((0.0, 0.0, 0.0))
    np.testing.assert_allclose(point, [-4, 0, 0], atol=1e-9)


def test_the_commands_and_python_register_inside_the_same_masks(folder: Path, weights_file: Path) -> None:
    pair, masks = ["fixed.nii.gz", "moving.nii.gz"], ["--mask", "lesions.nii.gz", "--moving-mask", "lesions.nii.gz"]
    code, said = _run(folder, "register", *pair, "--method", "sitk", "--transform", "found.tfm", *masks)
    assert code == 0, said
    assert "sitk inside the mask of the fixed and the moving volume" in said
    assert "only inside a mask" in said
    common = ["--weights", str(weights_file), "--device", "cpu", "--fixed-modality", "mr", "--moving-modality", "mr"]
    outputs = ["-o", "fused.nii.gz", "--provenance", "how.json"]
    code, said = _run(folder, "fuse", *pair, "--registration", "sitk", *outputs, *masks, *common)
    assert code == 0, said
    told = json.loads((folder / "how.json").read_text())["registration"]
    checksum = hashlib.sha256((folder / "lesions.nii.gz").read_bytes()).hexdigest()
    assert told["masks"] == [{"of": "fixed", "sha256": checksum}, {"of": "moving", "sha256": checksum}]
    files = [folder / name for name in pair]
    lesions = {"mask": folder / "lesions.nii.gz", "moving_mask": folder / "lesions.nii.gz"}
    found = csafusion.register(*files, method="sitk", **lesions)
    assert found.describe()["matrix_lps_mm"] == told["matrix_lps_mm"]
    assert found.transform.GetParameters() == sitk.ReadTransform(str(folder / "found.tfm")).GetParameters()
    assert found.transform.GetParameters() != csafusion.register(*files, method="sitk").transform.GetParameters()
    with pytest.raises(InputError, match="'mask' cannot guide it"):
        csafusion.fuse(*files, registration=found, **lesions)


@pytest.mark.parametrize(
    ("options", "reason"),
    [
        (["--use-transform", "shift.tfm", "--initial-transform", "shift.tfm"], "give one of them"),
        (["--use-transform", "shift.tfm", "--registration", "sitk"], "leave out --registration"),
        (["--inverse"], "--inverse describes a given transform"),
        (["--use-transform", "none.tfm"], "does not exist"),
        (["--mask", "none.nii.gz"], "does not exist"),
        (["--mask", "lesions.nii.gz", "--registration", "none"], "ignores masks"),
        (["--mask", "lesions.nii.gz", "--use-transform", "shift.tfm"], "no mask can guide it"),
        (["--moving-mask", "thin.nii.gz"], "mask of 'moving.nii.gz' does not lie on its grid"),
        (["--use-transform", "shift.tfm", "--matrix", "spm"], "spm"),
    ],
)
def test_options_that_do_not_go_together_are_told_in_one_sentence(
    folder: Path, options: list[str], reason: str
) -> None:
    sitk.WriteImage(sitk.ReadImage(str(folder / "lesions.nii.gz"))[:, :, 1:], str(folder / "thin.nii.gz"))
    code, said = _run(folder, "fuse", "fixed.nii.gz", "moving.nii.gz", "-o", "fused.nii.gz", *options)
    assert code == 2
    assert reason in said
    assert len(said.strip().splitlines()) == 1
    assert not (folder / "fused.nii.gz").exists()


@pytest.mark.parametrize("option", ["--mask", "--moving-mask"])
def test_a_mask_is_refused_where_it_would_be_ignored(folder: Path, option: str) -> None:
    for name in ("a.png", "b.png"):
        write_picture(np.zeros((16, 16), np.uint8), folder / name)
    code, said = _run(folder, "fuse", "a.png", "b.png", "-o", "c.png", option, "lesions.nii.gz")
    assert (code, f"{option} does not apply to pictures" in said) == (2, True)


def test_a_moving_mask_of_several_volumes_is_written_behind_the_name_of_its_own(folder: Path) -> None:
    several = ["--moving", "moving.nii.gz", "--moving", "lesions.nii.gz", "-o", "out"]
    code, said = _run(folder, "fuse", "fixed.nii.gz", *several, "--moving-mask", "lesions.nii.gz")
    assert (code, "--moving-mask is for one moving volume" in said) == (2, True)
    assert not (folder / "out").exists()


@pytest.mark.parametrize(
    ("threshold", "refused"),
    [(None, set()), (Distrusted.BAD, {"bad"}), (Distrusted.DOUBTFUL, {"bad", "doubtful"})],
)
def test_a_command_fails_on_what_is_no_better_than_asked(threshold: Distrusted | None, refused: set[str]) -> None:
    for grade in Grade:
        found = [None, Quality(Grade.GOOD, "It is."), Quality(grade, "So.")]
        if grade.value in refused:
            with pytest.raises(typer.Exit) as ended:
                fail_on_quality(threshold, found)
            assert ended.value.exit_code == 3
        else:
            fail_on_quality(threshold, found)


def test_nothing_assessed_is_not_distrusted() -> None:
    fail_on_grade(Distrusted.DOUBTFUL, [])


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


def _run_misalignment(*arguments: str) -> str:
    result = CliRunner().invoke(app, list(arguments))
    assert result.exit_code == 0, result.output
    return result.output


def test_register_writes_map_uncertainty_and_picture(pair: list[str], tmp_path: Path) -> None:
    said = _run_misalignment(
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
    _run_misalignment(
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
    said = _run_misalignment("register", *pair, "--method", "none", "--transform", str(tmp_path / "t.tfm"))
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
