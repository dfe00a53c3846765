"""csafusion fuse, from files to files."""

from __future__ import annotations

import json
import os
import signal
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest
import SimpleITK as sitk

from CSAFusionLib.geometry.grid import same_grid
from CSAFusionLib.volumes.pictures import write_picture

Heads = tuple[Path, Path]
Command = Callable


def test_every_output_that_is_asked_for_is_written_and_nothing_else(
    csafusion: Command, heads: Heads, tmp_path: Path, weights_file: Path
) -> None:
    folder = tmp_path / "results"
    folder.mkdir()
    result = csafusion(
        *("fuse", *heads, "-o", folder / "fused.nii.gz", "--transform", folder / "t.tfm", "--png", folder / "p.png"),
        *("--registration", "sitk"),
        *("--provenance", folder / "how.json", "--weights", weights_file, "--device", "cpu"),
    )
    assert result.exit_code == 0, result.stderr
    assert sorted(file.name for file in folder.iterdir()) == ["fused.nii.gz", "how.json", "p.png", "t.tfm"]
    assert same_grid(sitk.ReadImage(str(folder / "fused.nii.gz")), sitk.ReadImage(str(heads[0])))
    assert sitk.ReadTransform(str(folder / "t.tfm")).GetDimension() == 3
    assert json.loads((folder / "how.json").read_text())["registration"]["method"] == "SITK"
    assert sitk.ReadImage(str(folder / "p.png")).GetNumberOfComponentsPerPixel() == 3


def test_the_run_is_summed_up_on_stdout(csafusion: Command, heads: Heads, tmp_path: Path, weights_file: Path) -> None:
    words = ("fuse", *heads, "-o", tmp_path / "fused.mha", "--registration", "none", "--weights", weights_file)
    result = csafusion(*words, "--fixed-modality", "mr")
    lines = result.stdout.splitlines()
    assert lines[0].startswith("Memory       about ")
    assert lines[1].startswith("Fixed        MR T1, ")
    assert "(guessed from its file name)" in lines[2]
    assert "Registration none" in result.stdout
    assert "Device       " in result.stdout
    assert "Weights      random.safetensors (SHA-256 " in result.stdout
    assert "Research use only, not for diagnosis." in result.stdout
    assert result.stderr == ""


def test_a_pet_is_fused_in_colour_through_a_table(
    csafusion: Command, heads: Heads, tmp_path: Path, weights_file: Path
) -> None:
    words = ("fuse", *heads, "-o", tmp_path / "fused.nrrd", "--registration", "none", "--weights", weights_file)
    assert csafusion(*words, "--moving-modality", "pet", "--colour-table", "hot-iron").exit_code == 0
    assert sitk.ReadImage(str(tmp_path / "fused.nrrd")).GetPixelID() == sitk.sitkVectorUInt8


def test_the_same_command_gives_the_same_voxels(
    csafusion: Command, heads: Heads, tmp_path: Path, weights_file: Path
) -> None:
    fused = []
    for name in ("one.mha", "two.mha"):
        csafusion("fuse", *heads, "-o", tmp_path / name, "--registration", "none", "--weights", weights_file)
        fused.append(sitk.GetArrayFromImage(sitk.ReadImage(str(tmp_path / name))))
    np.testing.assert_array_equal(*fused)


def test_what_was_found_on_reading_stands_in_the_summary_and_the_provenance(
    csafusion: Command, heads: Heads, tmp_path: Path, weights_file: Path
) -> None:
    t2 = sitk.ReadImage(str(heads[1]))
    voxels = sitk.GetArrayFromImage(t2)
    voxels[0, 0, :7] = np.nan
    sitk.WriteImage(_like(t2, voxels), str(heads[1]))
    words = ("fuse", *heads, "-o", tmp_path / "fused.mha", "--registration", "none", "--weights", weights_file)
    result = csafusion(*words, "--orientation-from", "sform", "--provenance", tmp_path / "how.json")
    assert result.exit_code == 0, result.stderr
    warnings = json.loads((tmp_path / "how.json").read_text())["warnings"]
    assert "The fixed volume is placed by the sform, as requested." in warnings
    assert any(said.startswith("The moving volume has 7 voxels that are not finite") for said in warnings)
    assert all(f"Warning      {said}" in result.stdout for said in warnings)
    assert np.isfinite(sitk.GetArrayFromImage(sitk.ReadImage(str(tmp_path / "fused.mha")))).all()


def test_a_sheared_moving_volume_lands_where_its_header_puts_it(csafusion: Command, tmp_path: Path) -> None:
    rng = np.random.default_rng(0)
    fixed = sitk.SmoothingRecursiveGaussian(
        _like(sitk.Image([30, 34, 16], sitk.sitkFloat32), rng.random((16, 34, 30))), 2
    )
    tilted = sitk.Image([44, 60, 20], sitk.sitkFloat32)
    tilted.SetDirection((1, 0, 0, 0, 1, 0.28, 0, 0, 0.96))
    tilted.SetOrigin((-5, -15, -2))
    tilted = sitk.Resample(fixed, tilted, sitk.Transform(3, sitk.sitkIdentity), sitk.sitkLinear, 0.5)
    for name, image in (("fixed.nrrd", fixed), ("tilted.nrrd", tilted)):
        sitk.WriteImage(image, str(tmp_path / name))
    words = ("register", tmp_path / "fixed.nrrd", tmp_path / "tilted.nrrd", "--transform", tmp_path / "t.tfm")
    result = csafusion(*words, "-o", tmp_path / "moved.nii", "--method", "none")
    assert result.exit_code == 0, result.stderr
    assert "Warning      The moving volume has sheared axes" in result.stdout
    moved, there = (sitk.GetArrayFromImage(image) for image in (sitk.ReadImage(str(tmp_path / "moved.nii")), fixed))
    assert np.corrcoef(moved[2:-2].ravel(), there[2:-2].ravel())[0, 1] > 0.98


def _like(image: sitk.Image, voxels: np.ndarray) -> sitk.Image:
    copy = sitk.GetImageFromArray(voxels.astype(np.float32))
    copy.CopyInformation(image)
    return copy


def test_help_and_wrong_words_do_not_wait_for_pytorch() -> None:
    code = "import sys, CSAFusionLib.cli.main; sys.exit('torch' in sys.modules or 'ants' in sys.modules)"
    assert subprocess.run([sys.executable, "-c", code], check=False).returncode == 0


@pytest.mark.skipif(os.name == "nt", reason="Windows cannot send Ctrl-C to one child")
def test_ctrl_c_ends_with_130_and_leaves_nothing(heads: Heads, tmp_path: Path, weights_file: Path) -> None:
    big = sitk.Expand(sitk.ReadImage(str(heads[0])), [8, 8, 16])
    sitk.WriteImage(big, str(tmp_path / "big.mha"))
    before = sorted(tmp_path.iterdir())
    words = ["fuse", tmp_path / "big.mha", tmp_path / "big.mha", "-o", tmp_path / "fused.mha", "--registration", "none"]
    process = subprocess.Popen(
        [sys.executable, "-m", "CSAFusionLib.cli", *map(str, words), "--weights", str(weights_file)],
        env=os.environ | {"PYTHONUNBUFFERED": "1"},
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
    )
    assert process.stdout is not None
    # Said when both volumes are read, and before they are fused.
    assert process.stdout.readline().startswith(b"Memory")
    process.send_signal(signal.SIGINT)
    _, said = process.communicate(timeout=60)
    assert process.returncode == 130
    assert b"Cancelled; nothing was written." in said
    assert sorted(tmp_path.iterdir()) == before


def test_what_is_there_is_kept_unless_it_is_to_be_replaced(
    csafusion: Command, heads: Heads, tmp_path: Path, weights_file: Path
) -> None:
    fused, provenance = tmp_path / "fused.mha", tmp_path / "how.json"
    words = (
        "fuse",
        *heads,
        "-o",
        fused,
        "--provenance",
        provenance,
        "--registration",
        "none",
        "--weights",
        weights_file,
    )
    provenance.write_text("years of work")
    refused = csafusion(*words)
    assert (refused.exit_code, "how.json' already exists" in refused.stderr) == (2, True)
    assert (provenance.read_text(), fused.exists()) == ("years of work", False)
    assert csafusion(*words, "--overwrite").exit_code == 0
    assert json.loads(provenance.read_text())["settings"]["registration"] == "NONE"


def test_a_registration_that_is_not_good_enough_ends_with_3_and_its_outputs(
    csafusion: Command, heads: Heads, tmp_path: Path, weights_file: Path
) -> None:
    words = ("fuse", *heads, "--registration", "none", "--weights", weights_file, "--quiet")
    result = csafusion(*words, "-o", tmp_path / "doubted.mha", "--fail-on", "doubtful")
    assert (result.exit_code, result.output) == (3, "")
    assert (tmp_path / "doubted.mha").exists()
    assert csafusion(*words, "-o", tmp_path / "kept.mha", "--fail-on", "bad").exit_code == 0


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


def test_an_overlay_is_written_as_a_colour_volume_on_the_grid(csafusion: Command, heads: Heads, tmp_path: Path) -> None:
    words = ("fuse", *heads, "-o", tmp_path / "o.nrrd", "--registration", "none", "--style", "overlay")
    result = csafusion(*words, "--opacity", "0.3", "--png", tmp_path / "o.png")
    assert result.exit_code == 0
    assert "none: this style needs no network" in result.stdout
    written, fixed = (sitk.ReadImage(str(path)) for path in (tmp_path / "o.nrrd", heads[0]))
    assert written.GetPixelID() == sitk.sitkVectorUInt8
    assert written.GetSize() == fixed.GetSize()


def test_an_output_that_a_style_has_not_is_refused(csafusion: Command, heads: Heads, tmp_path: Path) -> None:
    words = ("fuse", *heads, "-o", tmp_path / "o.nrrd", "--registration", "none", "--style")
    for style, option, name in (("two-colour", "--contribution", "c.nrrd"), ("side-by-side", "--metrics", "m.tsv")):
        result = csafusion(*words, style, option, tmp_path / name)
        assert result.exit_code == 2
        assert option in result.stderr
        assert not (tmp_path / "o.nrrd").exists()
