"""The memory there is, the memory needed, and what is said when it runs out."""

from __future__ import annotations

import errno
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path
from types import SimpleNamespace

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
    check_room_for_numpy_and_simpleitk,
    check_room_for_torch,
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
    with pytest.raises(NotEnoughMemory, match=r"limit of this process leaves 3\.0 GiB; raise the limit"):
        check_memory(Need(5 * GIB, GIB), Available(None, 3 * GIB))


@pytest.mark.parametrize("room", [Available(None, None), Available(4 * GIB, None), Available(9 * GIB, 9 * GIB)])
def test_what_fits_or_is_not_known_is_not_refused(room: Available) -> None:
    check_memory(Need(5 * GIB, GIB), room)


@pytest.mark.skipif(sys.platform != "linux", reason="the limit and /proc are Linux's")
@pytest.mark.parametrize(
    ("check", "name"), [("check_room_for_torch", "PyTorch"), ("check_room_for_numpy_and_simpleitk", "SimpleITK")]
)
def test_a_library_is_not_loaded_where_that_would_end_the_process(check: str, name: str) -> None:
    code = (
        "import resource; resource.setrlimit(resource.RLIMIT_AS, (2**28, 2**28));"
        f"from CSAFusionLib.memory import {check}; {check}()"
    )
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=False)
    assert f"NotEnoughMemory: {name} needs about" in done.stderr and "ulimit -v" in done.stderr


@pytest.fixture
def wanted(monkeypatch):
    """Returns the room that a check wants for a module, by the sentence with which it refuses 0 bytes."""
    monkeypatch.setattr(sys, "platform", "linux")
    monkeypatch.setattr(module, "_address_space", lambda: 0)
    monkeypatch.setattr(module, "in_gib", str)

    def asked(check: Callable[[], None]) -> int:
        with monkeypatch.context() as without, pytest.raises(NotEnoughMemory) as refused:
            for name in ("torch", "SimpleITK"):
                without.delitem(sys.modules, name)
            check()
        return int(str(refused.value).split()[3])

    return asked


@pytest.mark.parametrize(
    ("check", "libraries"),
    [(check_room_for_torch, (torch, "lib/*")), (check_room_for_numpy_and_simpleitk, (sitk, "_*"))],
)
def test_the_libraries_that_are_installed_count(wanted, check, libraries) -> None:
    package, pattern = libraries
    largest = max(file.stat().st_size for file in Path(package.__file__).parent.glob(pattern))
    assert 1.1 * largest < wanted(check) < 10 * largest


def _sparse(file: Path, size: int) -> None:
    file.parent.mkdir(parents=True, exist_ok=True)
    with file.open("wb") as stream:
        stream.truncate(size)


def test_a_build_for_cards_counts_the_libraries_it_keeps_elsewhere(tmp_path, monkeypatch, wanted) -> None:
    torch_file = tmp_path / "torch" / "__init__.py"
    _sparse(torch_file, 0)
    monkeypatch.setattr(module, "find_spec", lambda _: SimpleNamespace(origin=str(torch_file)))
    _sparse(tmp_path / "torch" / "lib" / "libtorch_cpu.so", GIB // 2)
    _sparse(tmp_path / "nvidia" / "cublas" / "lib" / "libcublasLt.so.12", GIB // 2)
    monkeypatch.setenv("OMP_NUM_THREADS", "1")
    on_cpu = wanted(check_room_for_torch)
    assert GIB / 2 < on_cpu < GIB
    _sparse(tmp_path / "torch" / "lib" / "libtorch_cuda.so", GIB)
    assert wanted(check_room_for_torch) - on_cpu == 1.5 * GIB


@pytest.mark.parametrize("check", [check_room_for_torch, check_room_for_numpy_and_simpleitk])
def test_more_threads_need_more_address_space(check, monkeypatch, wanted) -> None:
    asked = []
    for threads in ("1", "8,2"):
        monkeypatch.setenv("OMP_NUM_THREADS", threads)
        asked.append(wanted(check))
    assert asked[1] - asked[0] >= 7 * 8 * 2**20


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
