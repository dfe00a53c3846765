"""``csafusion fuse`` on volumes: files in, files out."""

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
    assert lines[1].startswith("Fixed        MR, ")
    assert "(guessed)" in lines[2]
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
    assert "The fixed volume is placed by the sform, as asked." in warnings
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
    assert (refused.exit_code, "how.json' is there already" in refused.stderr) == (2, True)
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
