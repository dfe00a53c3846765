"""The memory there is, the memory needed, and what is said when it runs out."""

from __future__ import annotations

import errno
import subprocess
import sys

import numpy as np
import pytest
import SimpleITK as sitk
import torch

from CSAFusionLib import memory as module
from CSAFusionLib.errors import InputError, NotEnoughMemory
from CSAFusionLib.memory import (
    Available,
    Need,
    available,
    check_memory,
    fusion_need,
    in_gib,
    is_out_of_memory,
    resident_now,
    stems_from_lack_of_memory,
)


def test_this_machine_tells_how_much_there_is() -> None:
    resident = available().resident
    assert resident is None or resident > 2**20


@pytest.mark.skipif(sys.platform != "linux", reason="the limit and /proc are Linux's")
def test_the_process_s_own_limit_is_seen() -> None:
    assert resident_now() > 2**20
    code = (
        "import resource; resource.setrlimit(resource.RLIMIT_AS, (2**32, 2**32));"
        "from CSAFusionLib.memory import available; print(available().address_space)"
    )
    said = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True).stdout
    assert 2**31 < int(said) < 2**32


@pytest.mark.parametrize(("usage", "cache", "left"), [(600, 0, 400), (600, 500, 900), (1200, 0, 0)])
def test_a_control_group_leaves_its_limit_less_what_is_used_but_for_the_cache(
    tmp_path, monkeypatch, usage: int, cache: int, left: int
) -> None:
    proc, groups = tmp_path / "proc", tmp_path / "groups"
    (proc / "self").mkdir(parents=True)
    (proc / "self" / "cgroup").write_text("0::/jobs/one\n")
    (proc / "meminfo").write_text("MemAvailable: 100 kB\nSwapFree: 0 kB\n")
    (groups / "jobs" / "one").mkdir(parents=True)
    (groups / "jobs" / "one" / "memory.max").write_text("max\n")
    (groups / "jobs" / "memory.max").write_text("1000\n")
    (groups / "jobs" / "memory.current").write_text(f"{usage}\n")
    (groups / "jobs" / "memory.stat").write_text(f"anon 5\ninactive_file {cache}\n")
    monkeypatch.setattr(module, "_PROC", proc)
    monkeypatch.setattr(module, "_CGROUPS", groups)
    assert module._control_groups() == [left]


GIB = 2**30


def test_what_does_not_fit_is_refused_with_both_figures() -> None:
    with pytest.raises(NotEnoughMemory, match=r"about 4\.0 GiB .* and 2\.0 GiB are free; close other programs"):
        check_memory(Need(5 * GIB, GIB), Available(2 * GIB, None))


def test_a_limit_of_the_address_space_counts_too() -> None:
    with pytest.raises(NotEnoughMemory, match="are free"):
        check_memory(Need(5 * GIB, GIB), Available(None, 3 * GIB))


@pytest.mark.parametrize("room", [Available(None, None), Available(4 * GIB, None), Available(9 * GIB, 9 * GIB)])
def test_what_fits_or_is_not_known_is_not_refused(room: Available) -> None:
    check_memory(Need(5 * GIB, GIB), room)


@pytest.mark.skipif(sys.platform != "linux", reason="the limit and /proc are Linux's")
def test_torch_is_not_loaded_where_that_would_end_the_process() -> None:
    code = (
        "import resource; resource.setrlimit(resource.RLIMIT_AS, (2**29, 2**29));"
        "from CSAFusionLib.memory import check_room_for_torch; check_room_for_torch()"
    )
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True)
    assert "NotEnoughMemory: PyTorch needs about 640 MiB" in done.stderr


def test_more_voxels_colour_and_wider_values_need_more() -> None:
    small, large = (sitk.Image([side] * 3, sitk.sitkUInt8) for side in (20, 40))
    wide = sitk.Cast(large, sitk.sitkFloat64)
    asked = {"in_colour": False, "slices_at_once": 1, "pixels": 400}
    needs = [fusion_need(*pair, **asked).total for pair in ((small, small), (large, small), (wide, small))]
    needs.append(fusion_need(wide, small, **asked | {"in_colour": True}).total)
    assert needs == sorted(needs) and len(set(needs)) == 4
    assert fusion_need(small, small, **asked | {"slices_at_once": 9}).total > needs[0]


@pytest.mark.parametrize(("size", "said"), [(1, "1 MiB"), (500 * 2**20, "500 MiB"), (1.26 * GIB, "1.3 GiB")])
def test_sizes_are_told_to_be_read(size: float, said: str) -> None:
    assert in_gib(size) == said


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
        RuntimeError("could not create a primitive"),
        SystemError("error return without exception set"),
    ],
)
def test_the_system_s_words_are_known(error: Exception) -> None:
    assert is_out_of_memory(error)


@pytest.mark.parametrize(
    "error",
    [
        ValueError("out of memory"),
        RuntimeError("damaged"),
        SystemError("unknown opcode"),
        RuntimeError("could not create a primitive descriptor for a convolution primitive"),
        OSError(errno.ENOSPC, "full"),
    ],
)
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
