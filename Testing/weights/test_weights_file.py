from __future__ import annotations

from pathlib import Path

import pytest
import torch
from safetensors.torch import load_file, save_file

from CSAFusionLib.errors import InputError
from CSAFusionLib.network.configuration import CONFIGURATIONS
from CSAFusionLib.network.csafusion import CSAFusion
from CSAFusionLib.weights.weights_file import read_weights, save_weights, tensors_sha256


@pytest.fixture
def weights_file(tmp_path: Path) -> Path:
    torch.manual_seed(0)
    path = tmp_path / "mine.safetensors"
    save_weights(CSAFusion(CONFIGURATIONS["no-attention"]), path, about={"seed": "0"})
    return path


def test_what_is_read_computes_what_was_saved(tmp_path: Path) -> None:
    torch.manual_seed(0)
    saved = CSAFusion().eval()
    save_weights(saved, tmp_path / "w.safetensors")
    read, configuration = read_weights(tmp_path / "w.safetensors")
    x = torch.rand(1, 2, 32, 32)
    assert configuration == saved.configuration
    assert not read.training
    torch.testing.assert_close(read(x), saved(x), rtol=0, atol=1e-6)


def test_the_configuration_comes_from_the_file(weights_file: Path) -> None:
    assert read_weights(weights_file)[1] == CONFIGURATIONS["no-attention"]


def test_one_changed_byte_is_noticed(weights_file: Path) -> None:
    content = bytearray(weights_file.read_bytes())
    content[-100] ^= 1
    weights_file.write_bytes(content)
    with pytest.raises(InputError, match=r"mine\.safetensors is damaged"):
        read_weights(weights_file)


def test_a_cut_off_file_is_refused(weights_file: Path) -> None:
    weights_file.write_bytes(weights_file.read_bytes()[:-1000])
    with pytest.raises(InputError, match="cannot be read as safetensors"):
        read_weights(weights_file)


def test_another_network_s_safetensors_are_refused(tmp_path: Path) -> None:
    save_file({"layer": torch.zeros(3)}, tmp_path / "other.safetensors")
    with pytest.raises(InputError, match="not a CSAFusion weights file"):
        read_weights(tmp_path / "other.safetensors")


def test_tensors_that_do_not_fit_the_configuration_are_refused(weights_file: Path, tmp_path: Path) -> None:
    tensors = load_file(weights_file)
    tensors.pop("output.bias")
    metadata = {"format": "csafusion-1", "configuration": "{}", "tensors_sha256": tensors_sha256(tensors)}
    save_file(tensors, tmp_path / "old.safetensors", metadata=metadata)
    with pytest.raises(InputError, match="does not fit"):
        read_weights(tmp_path / "old.safetensors")


def test_a_missing_file_is_named(tmp_path: Path) -> None:
    with pytest.raises(InputError, match=r"gone\.safetensors does not exist"):
        read_weights(tmp_path / "gone.safetensors")
