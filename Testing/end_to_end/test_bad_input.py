"""Whatever is wrong with the input: one sentence, exit code 2, nothing written."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest
import SimpleITK as sitk

Heads = tuple[Path, Path]
Command = Callable


@pytest.fixture
def is_refused(csafusion: Command, tmp_path: Path, weights_file: Path) -> Callable[..., None]:
    """Run the command and check that it ended with one sentence that holds ``said``, and changed no file."""

    def run(*words: object, said: str) -> None:
        if words[0] == "fuse" and "--weights" not in words:
            words += ("--weights", weights_file)
        before = {path: path.stat().st_mtime_ns for path in tmp_path.rglob("*")}
        result = csafusion(*words)
        # What stays on the screen: a progress bar takes back its own line.
        sentence = result.stderr.rpartition("\r")[2].strip()
        assert result.exit_code == 2, result.stderr
        assert said in sentence
        assert sentence.count("\n") == 0
        assert sentence.endswith(".")
        assert {path: path.stat().st_mtime_ns for path in tmp_path.rglob("*")} == before

    return run


def write(path: Path, voxels: np.ndarray, origin: float = 0.0) -> Path:
    image = sitk.GetImageFromArray(voxels)
    image.SetOrigin([origin] * image.GetDimension())
    sitk.WriteImage(image, str(path))
    return path


def noise(*shape: int) -> np.ndarray:
    return np.random.default_rng(0).random(shape, dtype=np.float32)


def test_a_missing_file(is_refused: Callable, heads: Heads, tmp_path: Path) -> None:
    is_refused("fuse", heads[0], tmp_path / "no.nii", "-o", tmp_path / "f.nii", said="no.nii' does not exist")


def test_a_file_that_is_no_image(is_refused: Callable, heads: Heads, tmp_path: Path) -> None:
    (tmp_path / "text.nii").write_text("not an image")
    is_refused("fuse", heads[0], tmp_path / "text.nii", "-o", tmp_path / "f.nii", said="text.nii'")


def test_a_2d_image(is_refused: Callable, heads: Heads, tmp_path: Path) -> None:
    flat = write(tmp_path / "flat.mha", noise(20, 20))
    is_refused("fuse", heads[0], flat, "-o", tmp_path / "f.nii", said="flat.mha")


def test_a_4d_series(is_refused: Callable, heads: Heads, tmp_path: Path) -> None:
    series = tmp_path / "series.nii"
    sitk.WriteImage(sitk.JoinSeries([sitk.GetImageFromArray(noise(6, 20, 20))] * 3), str(series))
    is_refused("fuse", series, heads[1], "-o", tmp_path / "f.nii", said="series.nii")


def test_an_empty_file(is_refused: Callable, heads: Heads, tmp_path: Path) -> None:
    (tmp_path / "empty.nii").touch()
    is_refused("fuse", heads[0], tmp_path / "empty.nii", "-o", tmp_path / "f.nii", said="empty.nii")


def test_an_empty_folder(is_refused: Callable, heads: Heads, tmp_path: Path) -> None:
    (tmp_path / "dicom").mkdir()
    is_refused("fuse", heads[0], tmp_path / "dicom", "-o", tmp_path / "f.nii", said="dicom'")


def test_a_volume_that_holds_no_number_at_all(is_refused: Callable, heads: Heads, tmp_path: Path) -> None:
    nothing = write(tmp_path / "nan.mha", np.full((6, 20, 20), np.nan, np.float32))
    is_refused("fuse", nothing, heads[1], "-o", tmp_path / "f.nii", said="not finite")


def test_a_displacement_field(is_refused: Callable, heads: Heads, tmp_path: Path) -> None:
    field = sitk.GetImageFromArray(noise(6, 20, 20, 3), isVector=True)
    sitk.WriteImage(field, str(tmp_path / "warp.nrrd"))
    is_refused("fuse", heads[0], tmp_path / "warp.nrrd", "-o", tmp_path / "f.nii", said="not colours")


def test_a_sheared_fixed_volume_before_any_work(is_refused: Callable, heads: Heads, tmp_path: Path) -> None:
    sheared = sitk.ReadImage(str(heads[0]))
    sheared.SetDirection((1, 0.28, 0, 0, 0.96, 0, 0, 0, 1))
    sitk.WriteImage(sheared, str(tmp_path / "tilted.nrrd"))
    is_refused("fuse", tmp_path / "tilted.nrrd", heads[1], "-o", tmp_path / "f.nii", said="sheared axes")


def test_a_constant_volume(is_refused: Callable, heads: Heads, tmp_path: Path) -> None:
    constant = write(tmp_path / "same.mha", np.full((6, 20, 20), 7, np.int16))
    is_refused("fuse", heads[0], constant, "-o", tmp_path / "f.nii", said="constant")


def test_volumes_that_do_not_overlap(is_refused: Callable, heads: Heads, tmp_path: Path) -> None:
    far = write(tmp_path / "far.mha", noise(6, 20, 20), origin=5000.0)
    is_refused("fuse", heads[0], far, "-o", tmp_path / "f.nii", "--registration", "none", said="does not overlap")


def test_weights_that_are_missing_or_damaged(
    is_refused: Callable, heads: Heads, tmp_path: Path, weights_file: Path
) -> None:
    damaged = tmp_path / "damaged.safetensors"
    content = bytearray(weights_file.read_bytes())
    content[-1] ^= 1
    damaged.write_bytes(content)
    other = tmp_path / "other.safetensors"
    other.write_text("not weights")
    for weights, said in ((damaged, "checksum"), (other, "other.safetensors"), (tmp_path / "no.safetensors", "exist")):
        is_refused("fuse", *heads, "-o", tmp_path / "f.nii", "--weights", weights, said=said)


@pytest.mark.parametrize(
    ("option", "said"),
    [
        (("--registration", "magic"), "'magic' is not one of 'auto'"),
        (("--registration", "brains"), "3D Slicer"),
        (("--registration", "sitk", "--model", "syn"), "'sitk' cannot be syn"),
        (("--plane", "sideways"), "'sideways' is not one of 'auto'"),
        (("--orientation-from", "afar"), "'afar' is not one of 'header'"),
        (("--fixed-modality", "xray"), "'xray' is not one of 'ct'"),
        (("--fixed-window", "wobbly"), "'wobbly'"),
        (("--colour-table", "mauve"), "'mauve'"),
        (("--batch-size", "0"), "batch size is 0"),
        (("--device", "tpu"), "device 'tpu'"),
        (("--png", "picture.jpg"), "must end in .png"),
        (("--transform", "transform.doc"), "end it in .tfm"),
        (("--provenance", "how.txt"), "must end in .json"),
        (("--colour-table", "hot-iron"), "colours a PET or SPECT volume"),
    ],
)
def test_an_option_that_cannot_be_followed(
    is_refused: Callable, heads: Heads, tmp_path: Path, option: tuple[str, str], said: str
) -> None:
    is_refused("fuse", *heads, "-o", tmp_path / "f.nii", *option, said=said)


def test_an_output_that_is_an_input(is_refused: Callable, heads: Heads) -> None:
    is_refused("fuse", *heads, "-o", heads[0], said="is an input")


@pytest.mark.parametrize(("name", "said"), [("fused.jpg", "must end in"), ("no/fused.nii", "does not exist")])
def test_an_output_that_cannot_be_written(
    is_refused: Callable, heads: Heads, tmp_path: Path, name: str, said: str
) -> None:
    is_refused("fuse", *heads, "-o", tmp_path / name, said=said)


def test_a_picture_with_a_volume(is_refused: Callable, heads: Heads, tmp_path: Path) -> None:
    (tmp_path / "a.png").touch()
    is_refused("fuse", heads[0], tmp_path / "a.png", "-o", tmp_path / "f.nii", said="holds 2-D pictures")


@pytest.mark.parametrize(
    ("words", "said"),
    [
        (("--method", "magic"), "'magic' is not one of 'auto'"),
        (("--method", "sitk", "--model", "syn"), "'sitk' cannot be syn"),
        (("-o", "resampled.jpg"), "must end in"),
        (("--method", "ants", "--model", "syn"), "end it in .h5"),
    ],
)
def test_a_registration_that_cannot_be_done(
    is_refused: Callable, heads: Heads, tmp_path: Path, words: tuple[str, str], said: str
) -> None:
    is_refused("register", *heads, "--transform", tmp_path / "t.tfm", *words, said=said)
