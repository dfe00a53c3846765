"""How much more memory this process can have: from the machine, its control group and its own limits."""

from __future__ import annotations

import os
import sys
from dataclasses import dataclass
from pathlib import Path

_UNLIMITED = 2**60
_PROC = Path("/proc")
_CGROUPS = Path("/sys/fs/cgroup")


@dataclass(frozen=True)
class Available:
    """Bytes that this process can still use (``resident``) and reserve (``address_space``); None for no known limit."""

    resident: int | None
    address_space: int | None


def available() -> Available:
    """Measure how much is available now.

    On Linux the least of what the machine has free, its swap counted, and of what the control group leaves; on Windows
    what can be committed; elsewhere the whole memory of the machine, for want of a better bound.
    """
    if sys.platform == "win32":
        return Available(_commit_left(), None)
    known = [room for room in (_machine(), *_control_groups()) if room is not None]
    return Available(min(known, default=None), _address_space())


def resident_now() -> int:
    """Return the bytes that this process holds now; 0 where that is not known."""
    pages = _words(_PROC / "self" / "statm")
    return int(pages[1]) * os.sysconf("SC_PAGE_SIZE") if len(pages) > 1 else 0


def _machine() -> int | None:
    lines = [line.split() for line in _text(_PROC / "meminfo").splitlines()]
    kib = {line[0].rstrip(":"): int(line[1]) for line in lines if len(line) > 1 and line[1].isdigit()}
    if "MemAvailable" in kib:
        return 1024 * (kib["MemAvailable"] + kib.get("SwapFree", 0))
    try:
        return os.sysconf("SC_PHYS_PAGES") * os.sysconf("SC_PAGE_SIZE")
    except (ValueError, OSError):
        return None


def _control_groups() -> list[int]:
    """What this process's control groups and those above them leave, of version 2 and 1."""
    left = []
    for line in _text(_PROC / "self" / "cgroup").splitlines():
        _, controllers, path = line.split(":", 2)
        if controllers and "memory" not in controllers.split(","):
            continue
        root = _CGROUPS / "memory" if controllers else _CGROUPS
        names = ("memory.limit_in_bytes", "memory.usage_in_bytes") if controllers else ("memory.max", "memory.current")
        group = root / path.lstrip("/")
        # A container often sees its own group at the root.
        for folder in dict.fromkeys([group, *(above for above in group.parents if above.is_relative_to(root)), root]):
            room = _left_in(folder, *names)
            left += [] if room is None else [room]
    return left


def _left_in(folder: Path, limit_name: str, usage_name: str) -> int | None:
    limit, usage = (_words(folder / name) for name in (limit_name, usage_name))
    if not limit or not usage or not limit[0].isdigit() or int(limit[0]) >= _UNLIMITED:
        return None
    # The cache of files counts as used, and is given up before memory runs out.
    stat = dict(line.split() for line in _text(folder / "memory.stat").splitlines() if len(line.split()) == 2)
    cache = int(stat.get("total_inactive_file", stat.get("inactive_file", 0)))
    return max(0, int(limit[0]) - max(0, int(usage[0]) - cache))


def _address_space() -> int | None:
    import resource

    limit = resource.getrlimit(resource.RLIMIT_AS)[0]
    pages = _words(_PROC / "self" / "statm")
    if limit in (-1, resource.RLIM_INFINITY) or limit >= _UNLIMITED or not pages:
        return None
    return max(0, limit - int(pages[0]) * os.sysconf("SC_PAGE_SIZE"))


def _commit_left() -> int | None:
    import ctypes

    class MemoryStatus(ctypes.Structure):
        _fields_ = [  # noqa: RUF012 (as ctypes wants it)
            ("length", ctypes.c_ulong),
            ("load", ctypes.c_ulong),
            *((name, ctypes.c_ulonglong) for name in ("all", "free", "all_commit", "free_commit", "v", "fv", "fe")),
        ]

    status = MemoryStatus()
    status.length = ctypes.sizeof(status)
    windows = getattr(ctypes, "windll", None)
    if windows is None or not windows.kernel32.GlobalMemoryStatusEx(ctypes.byref(status)):
        return None
    return int(status.free_commit)


def _text(path: Path) -> str:
    try:
        return path.read_text(encoding="ascii", errors="replace")
    except OSError:
        return ""


def _words(path: Path) -> list[str]:
    return _text(path).split()
