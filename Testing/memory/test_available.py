"""CSAFusionLib.memory.available"""

from __future__ import annotations

import subprocess
import sys

import pytest

from CSAFusionLib.memory import available as module
from CSAFusionLib.memory.available import available, resident_now


def test_this_machine_tells_how_much_there_is() -> None:
    resident = available().resident
    assert resident is None or resident > 2**20


@pytest.mark.skipif(sys.platform != "linux", reason="the limit and /proc are Linux's")
def test_the_process_s_own_limit_is_seen() -> None:
    assert resident_now() > 2**20
    code = (
        "import resource; resource.setrlimit(resource.RLIMIT_AS, (2**32, 2**32));"
        "from CSAFusionLib.memory.available import available; print(available().address_space)"
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
