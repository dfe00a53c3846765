"""``csafusion average``."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

from CSAFusionLib.weights.weights_file import read_weights


def test_it_writes_weights_that_load(csafusion: Callable, weights_file: Path, tmp_path: Path) -> None:
    output = tmp_path / "averaged.safetensors"
    result = csafusion("average", weights_file, weights_file, "-o", output, "--share", 0.3)
    assert result.exit_code == 0, result.stderr
    assert read_weights(output)[1] == read_weights(weights_file)[1]


def test_a_name_that_is_no_weights_file_is_refused(csafusion: Callable, weights_file: Path, tmp_path: Path) -> None:
    result = csafusion("average", weights_file, weights_file, "-o", tmp_path / "averaged.pt")
    assert result.exit_code == 2
    assert "must end in .safetensors" in result.stderr
    assert not list(tmp_path.iterdir())
