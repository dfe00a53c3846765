"""``csafusion fuse`` on pictures: a pair of PNG files, and a pair of folders."""

from __future__ import annotations

import json
from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest
import SimpleITK as sitk

from CSAFusionLib.volumes.pictures import write_picture

Command = Callable


@pytest.fixture
def folders(tmp_path: Path) -> tuple[Path, Path]:
    """Two grey and two coloured pictures of equal names, and one without a partner."""
    random = np.random.default_rng(0)
    grey, colour = tmp_path / "mr", tmp_path / "pet"
    for folder, shape in ((grey, (40, 30)), (colour, (40, 30, 3))):
        folder.mkdir()
        for name in ("a.png", "b.png"):
            write_picture(random.integers(0, 256, shape, dtype=np.uint8), folder / name)
    write_picture(random.integers(0, 256, (40, 30), dtype=np.uint8), grey / "alone.png")
    return grey, colour


def test_a_pair_of_pictures_gives_a_picture(
    csafusion: Command, folders: tuple[Path, Path], tmp_path: Path, weights_file: Path
) -> None:
    out, montage, how = tmp_path / "f.png", tmp_path / "m.png", tmp_path / "how.json"
    words = ("fuse", folders[0] / "a.png", folders[1] / "a.png", "-o", out, "--png", montage, "--provenance", how)
    result = csafusion(*words, "--weights", weights_file)
    assert result.exit_code == 0, result.stderr
    fused = sitk.ReadImage(str(out))
    assert (fused.GetSize(), fused.GetPixelID()) == ((30, 40), sitk.sitkVectorUInt8)
    assert sitk.ReadImage(str(montage)).GetWidth() > 500
    assert json.loads(how.read_text())["moving"]["modality"] == "PET"
    assert "Moving       PET (guessed)" in result.stdout


def test_a_pair_of_folders_gives_a_folder_of_the_pictures_both_have(
    csafusion: Command, folders: tuple[Path, Path], tmp_path: Path, weights_file: Path
) -> None:
    result = csafusion("fuse", *folders, "-o", tmp_path / "fused", "--weights", weights_file)
    assert result.exit_code == 0, result.stderr
    assert sorted(file.name for file in (tmp_path / "fused").iterdir()) == ["a.png", "b.png"]
    assert "1 picture has no partner" in result.stderr
    one = csafusion(
        *("fuse", folders[0] / "b.png", folders[1] / "b.png", "-o", tmp_path / "b.png", "--weights", weights_file)
    )
    assert one.exit_code == 0
    assert (tmp_path / "b.png").read_bytes() == (tmp_path / "fused" / "b.png").read_bytes()


def test_the_balance_weighs_the_two_sources(csafusion: Command, tmp_path: Path, weights_file: Path) -> None:
    bright, dark = tmp_path / "bright.png", tmp_path / "dark.png"
    write_picture(np.full((32, 32), 200, np.uint8), bright)
    write_picture(np.zeros((32, 32), np.uint8), dark)
    means = []
    for balance in ("-0.5", "0", "0.5", "1"):
        out = tmp_path / f"fused{balance}.png"
        words = ("fuse", bright, dark, "-o", out, "--weights", weights_file, "--balance", balance)
        result = csafusion(*words, "--fixed-modality", "ct")
        assert result.exit_code == 0, result.stderr
        means.append(sitk.GetArrayFromImage(sitk.ReadImage(str(out))).mean())
    assert means[0] > means[1] > means[2] > means[3] == 0
    assert csafusion(*words[:5], "--balance", "2").exit_code == 2


def test_grey_saved_as_rgb_is_still_grey(csafusion: Command, tmp_path: Path, weights_file: Path) -> None:
    grey = np.random.default_rng(1).integers(0, 256, (32, 32), dtype=np.uint8)
    write_picture(grey, tmp_path / "a.png")
    write_picture(np.repeat(grey[..., None], 3, axis=-1), tmp_path / "b.png")
    csafusion("fuse", tmp_path / "a.png", tmp_path / "b.png", "-o", tmp_path / "f.png", "--weights", weights_file)
    assert sitk.ReadImage(str(tmp_path / "f.png")).GetNumberOfComponentsPerPixel() == 1


def test_16_bit_pictures_keep_their_brightness(csafusion: Command, tmp_path: Path, weights_file: Path) -> None:
    wide = np.random.default_rng(1).integers(0, 256, (32, 32)).astype(np.uint16) * 257
    sitk.WriteImage(sitk.GetImageFromArray(wide), str(tmp_path / "16.png"))
    write_picture((wide // 257).astype(np.uint8), tmp_path / "8.png")
    for name in ("16", "8"):
        source = tmp_path / f"{name}.png"
        csafusion("fuse", source, source, "-o", tmp_path / f"f{name}.png", "--weights", weights_file)
    assert (tmp_path / "f16.png").read_bytes() == (tmp_path / "f8.png").read_bytes()


@pytest.mark.parametrize(
    ("words", "said"),
    [
        (("--registration", "sitk"), "--registration does not apply to pictures"),
        (("--plane", "coronal"), "--plane does not apply"),
        (("--orientation-from", "sform"), "--orientation-from does not apply"),
        (("--colour-table", "ice"), "--colour-table does not apply"),
        (("--png", "m.png"), "--png shows one pair"),
    ],
)
def test_what_pictures_cannot_have_is_refused(
    csafusion: Command, folders: tuple[Path, Path], tmp_path: Path, words: tuple[str, str], said: str
) -> None:
    result = csafusion("fuse", *folders, "-o", tmp_path / "fused", *words)
    assert result.exit_code == 2
    assert said in result.stderr
    assert not (tmp_path / "fused").exists()


def test_folders_without_a_common_name_are_refused(
    csafusion: Command, folders: tuple[Path, Path], tmp_path: Path
) -> None:
    for picture in folders[1].iterdir():
        picture.rename(picture.with_name("other" + picture.name))
    result = csafusion("fuse", *folders, "-o", tmp_path / "fused")
    assert result.exit_code == 2
    assert "no PNG of the same name" in result.stderr


def test_the_folder_of_an_input_is_no_place_for_the_output(csafusion: Command, folders: tuple[Path, Path]) -> None:
    result = csafusion("fuse", *folders, "-o", folders[0])
    assert result.exit_code == 2
    assert "is a file or an input" in result.stderr


def test_pictures_of_two_sizes_are_refused(csafusion: Command, tmp_path: Path, weights_file: Path) -> None:
    write_picture(np.zeros((32, 32), np.uint8), tmp_path / "a.png")
    write_picture(np.zeros((32, 33), np.uint8), tmp_path / "b.png")
    words = ("fuse", tmp_path / "a.png", tmp_path / "b.png", "-o", tmp_path / "f.png", "--weights", weights_file)
    result = csafusion(*words)
    assert result.exit_code == 2
    assert "32 x 32 and 33 x 32 pixels" in result.stderr
    assert not (tmp_path / "f.png").exists()


def test_real_slices_are_fused_in_their_own_colours(
    csafusion: Command, shared_data: Path, tmp_path: Path, weights_file: Path
) -> None:
    pair = shared_data / "slices" / "SPECT-MRI"
    name = min(file.name for file in (pair / "MRI").glob("*.png"))
    csafusion("fuse", pair / "SPECT" / name, pair / "MRI" / name, "-o", tmp_path / "f.png", "--weights", weights_file)
    fused, spect = (
        sitk.GetArrayFromImage(sitk.ReadImage(str(file))) for file in (tmp_path / "f.png", pair / "SPECT" / name)
    )
    assert fused.shape == spect.shape
    # V says red against cyan: it must be the SPECT's wherever the fused colour can be shown.
    red = [0.877 * (rgb[..., 0] - rgb @ [0.299, 0.587, 0.114]) for rgb in (fused.astype(float), spect.astype(float))]
    shown = (fused > 0).all(axis=-1) & (fused < 255).all(axis=-1)
    assert shown.sum() > 1000
    np.testing.assert_allclose(red[0][shown], red[1][shown], atol=1.5)
