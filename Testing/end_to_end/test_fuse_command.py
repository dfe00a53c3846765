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
    assert lines[0].startswith("Fixed        MR, ")
    assert "(guessed)" in lines[1]
    assert "Registration none" in result.stdout
    assert "Device       " in result.stdout
    assert "Weights      random.safetensors (SHA-256 " in result.stdout
    assert "Research use only, not for diagnosis." in result.stdout
    assert "Fusing slices" in result.stderr


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
        stderr=subprocess.PIPE,
    )
    assert process.stderr is not None
    seen = b""
    while b"Fusing slices:   1%" not in seen:
        byte = process.stderr.read(1)
        assert byte, seen.decode()
        seen += byte
    process.send_signal(signal.SIGINT)
    _, said = process.communicate(timeout=60)
    assert process.returncode == 130
    assert b"Cancelled; nothing was written." in said
    assert sorted(tmp_path.iterdir()) == before
