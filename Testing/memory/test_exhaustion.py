"""CSAFusionLib.memory.exhaustion"""

from __future__ import annotations

import errno

import numpy as np
import pytest
import SimpleITK as sitk
import torch

from CSAFusionLib.errors import InputError
from CSAFusionLib.memory.exhaustion import is_out_of_memory, stems_from_lack_of_memory

TOO_MUCH = 2**48


def _numpy() -> None:
    np.ones(TOO_MUCH)


def _torch() -> None:
    torch.ones(TOO_MUCH)


def _itk() -> None:
    sitk.Image([2**20, 2**20, 2**8], sitk.sitkFloat64)


@pytest.mark.parametrize("allocate", [_numpy, _torch, _itk])
def test_whichever_library_asks_for_too_much_it_is_known(allocate) -> None:
    with pytest.raises((MemoryError, RuntimeError)) as caught:
        allocate()
    assert is_out_of_memory(caught.value)


@pytest.mark.parametrize(
    "error",
    [
        OSError(errno.ENOMEM, "Cannot allocate memory"),
        ImportError("libtorch_cpu.so: failed to map segment from shared object"),
        RuntimeError("can't start new thread"),
        RuntimeError("CUDA out of memory. Tried to allocate 20.00 MiB"),
    ],
)
def test_the_system_s_words_are_known(error: Exception) -> None:
    assert is_out_of_memory(error)


@pytest.mark.parametrize("error", [ValueError("out of memory"), RuntimeError("damaged"), OSError(errno.ENOSPC, "full")])
def test_other_failures_are_none(error: Exception) -> None:
    assert not is_out_of_memory(error)


def test_a_lack_of_memory_is_found_behind_another_sentence() -> None:
    try:
        try:
            raise MemoryError
        except MemoryError as error:
            raise InputError("'a.nrrd' cannot be read.") from error
    except InputError as error:
        assert stems_from_lack_of_memory(error)
    assert not stems_from_lack_of_memory(InputError("'a.nrrd' cannot be read."))
