"""CSAFusionLib.fusion.device"""

from __future__ import annotations

import gc
import os
import sys
from pathlib import Path

import pytest
import torch

from CSAFusionLib.errors import InputError
from CSAFusionLib.fusion.device import choose_device, load_torch

AUTOLOAD = "TORCH_DEVICE_BACKEND_AUTOLOAD"


def test_the_cpu_can_always_be_asked_for() -> None:
    assert choose_device("cpu").torch_device == "cpu"


def test_auto_falls_back_to_the_cpu_and_says_why(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(torch.cuda, "is_available", lambda: False)
    monkeypatch.setattr(torch.backends.mps, "is_available", lambda: False)
    device = choose_device("auto")
    assert device.torch_device == "cpu"
    assert "cuda: not present" in device.reason
    assert "mps: not present" in device.reason


def test_a_card_that_fails_its_first_kernel_is_not_chosen(monkeypatch: pytest.MonkeyPatch) -> None:
    def fails(*args: object, **kwargs: object) -> None:
        raise RuntimeError("CUDA error: no kernel image is available for execution on the device\nmore")

    monkeypatch.setattr(torch.cuda, "is_available", lambda: True)
    monkeypatch.setattr(torch.cuda, "device_count", lambda: 1)
    monkeypatch.setattr(torch.backends.mps, "is_available", lambda: False)
    monkeypatch.setattr(torch, "ones", fails)
    device = choose_device("auto")
    assert device.torch_device == "cpu"
    assert "cuda: CUDA error: no kernel image is available" in device.reason


def test_a_kernel_that_computes_nonsense_is_not_trusted(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(torch.nn.functional, "conv2d", lambda image, kernel: torch.zeros(1, 1, 6, 6))
    with pytest.raises(InputError, match="wrong result"):
        choose_device("cpu")


@pytest.mark.parametrize("name", ["tpu", "xla", "cuda:99", "cuda:x", "meta", ""])
def test_a_device_that_is_not_there_is_refused_by_name(name: str) -> None:
    with pytest.raises(InputError, match=f"The device '{name}' cannot be used"):
        choose_device(name)


def test_the_accelerator_is_chosen_where_there_is_one() -> None:
    if not torch.cuda.is_available():
        pytest.skip("this machine has no CUDA device")
    assert choose_device("auto").torch_device == "cuda"


def test_pytorch_is_loaded_without_looking_for_garbage_or_other_devices(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    loading = f"import gc, os\nlooked = gc.isenabled()\nothers = os.environ['{AUTOLOAD}']\n"
    (tmp_path / "torch.py").write_text(loading, encoding="utf-8")
    monkeypatch.syspath_prepend(tmp_path)
    monkeypatch.delitem(sys.modules, "torch")
    monkeypatch.delenv(AUTOLOAD, raising=False)
    load_torch()
    assert (sys.modules["torch"].looked, gc.isenabled(), gc.get_freeze_count()) == (False, True, 0)
    assert (sys.modules["torch"].others, AUTOLOAD in os.environ) == ("0", False)
