"""Memory: how much is available, how much a run needs, and how a shortage is reported.

A shortage is reported before a run starts, so that it does not fail midway, and recognised afterwards in whichever
library it occurred.
"""

from __future__ import annotations

import errno
import math
import os
import sys
from collections.abc import Iterator
from dataclasses import dataclass
from importlib.util import find_spec
from pathlib import Path
from typing import TYPE_CHECKING

from CSAFusionLib.errors import NotEnoughMemory

if TYPE_CHECKING:
    import SimpleITK as sitk

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

    On Linux the smaller of the machine's free memory, swap included, and what the control group leaves; on Windows what
    can be committed; elsewhere the machine's whole memory, for want of a better bound.
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
    """The bytes left in this process's control groups (versions 2 and 1) and in their parents."""
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
    # The file cache counts as used, but is freed before memory runs out.
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
        _fields_ = [  # noqa: RUF012 (ctypes requires it)
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


# Bytes beyond the volumes themselves: per voxel of the fixed volume during fusion, in grey or in colour, and per voxel
# of both volumes during registration and its quality assessment.
FUSING_GREY, FUSING_COLOUR = 16.2, 34.5
REGISTERING = 6.8
# Per pixel of each slice in the network.
NETWORK_PIXEL = 306.0
# The libraries' own memory, whatever the size of the volumes: all of them, and without PyTorch.
LIBRARIES = 455 * 2**20
REGISTERING_LIBRARIES = 210 * 2**20

# Address space that is reserved, most of it never used: by each thread of a job; by NumPy, SimpleITK and what is loaded
# with them, beside SimpleITK's library, and by each thread that NumPy's linear algebra then starts; by PyTorch as it is
# loaded, beside its libraries, and by each thread of its first kernel.
_RESERVED_BY_THREAD = 64 * 2**20
_RESERVED_BESIDE_SIMPLEITK, _RESERVED_BY_NUMPY_THREAD = 160 * 2**20, 40 * 2**20
_RESERVED_BESIDE_TORCH, _RESERVED_BY_TORCH_THREAD = 128 * 2**20, 32 * 2**20
# The accuracy of the estimate: less than this share of it is certainly too little.
_SURE = 0.85


@dataclass(frozen=True)
class Need:
    """Peak bytes of a fusion or a registration, and how many of them the process already holds."""

    total: int
    held: int
    what: str = "The fusion"

    def __str__(self) -> str:
        return in_gib(self.total)


def fusion_need(fixed: sitk.Image, moving: sitk.Image, *, in_colour: bool, slices_at_once: int, pixels: int) -> Need:
    """Estimate the memory needed to fuse two volumes in memory, to within about 15 %.

    in_colour: whether the result has colour. slices_at_once, pixels: the slices in the network at a time, and the
        pixels of each.
    """
    voxels = fixed.GetNumberOfPixels(), moving.GetNumberOfPixels()
    stored = sum(_bytes_of(image) for image in (fixed, moving))
    fusing = (FUSING_COLOUR if in_colour else FUSING_GREY) * voxels[0]
    fusing += NETWORK_PIXEL * slices_at_once * pixels
    return Need(math.ceil(LIBRARIES + stored + max(REGISTERING * sum(voxels), fusing)), resident_now())


def registration_need(fixed: sitk.Image, moving: sitk.Image) -> Need:
    """Estimate the memory needed to register two volumes in memory, without engines that are separate programs."""
    voxels = fixed.GetNumberOfPixels() + moving.GetNumberOfPixels()
    stored = _bytes_of(fixed) + _bytes_of(moving)
    total = math.ceil(REGISTERING_LIBRARIES + stored + REGISTERING * voxels)
    return Need(total, resident_now(), "The registration")


def check_room_for_numpy_and_simpleitk() -> None:
    """Refuse to load NumPy and SimpleITK where the address-space limit is too small for them.

    Loading could end the process, or hang: NumPy's linear algebra tries forever to get its memory.

    Raises NotEnoughMemory.
    """
    beside = _RESERVED_BESIDE_SIMPLEITK + _RESERVED_BY_NUMPY_THREAD * _threads()
    _check_room_to_load("SimpleITK", "*.so", beside)


def check_room_for_torch() -> None:
    """Refuse to load PyTorch where the address-space limit is too small for it: loading could end the process or hang.

    Raises NotEnoughMemory.
    """
    beside = _RESERVED_BESIDE_TORCH + _RESERVED_BY_TORCH_THREAD * _threads()
    _check_room_to_load("torch", "lib/*.so*", beside)


def _check_room_to_load(module: str, libraries: str, beside: int) -> None:
    """Check the room for a module.

    libraries: a pattern of its libraries' paths below its folder. beside: what it takes beside them.
    """
    room = _address_space() if sys.platform == "linux" else None
    if room is None or module in sys.modules:
        return
    wanted = _bytes_of_libraries(module, libraries) + beside
    if room < wanted:
        raise _too_low_a_limit({"torch": "PyTorch"}.get(module, module), wanted, room)


def _bytes_of_libraries(module: str, pattern: str) -> int:
    """The size of the libraries of an installed module; 0 where it is not installed.

    A build of PyTorch for NVIDIA's cards keeps most of them in another package, and loads some only where a card is
    used: such a build may need a quarter less.
    """
    found = find_spec(module)
    if found is None or found.origin is None:
        return 0
    package = Path(found.origin).parent
    libraries = {file.resolve() for file in package.glob(pattern)}
    if any(file.name.startswith("libtorch_cuda.so") for file in libraries):
        libraries |= {file.resolve() for file in package.parent.glob("nvidia/*/lib/*.so*")}
    return sum(file.stat().st_size for file in libraries)


def _threads() -> int:
    """The number of threads that the libraries start by themselves."""
    first = os.environ.get("OMP_NUM_THREADS", "").partition(",")[0].strip()
    if first.isdecimal() and int(first):
        return int(first)
    affinity = getattr(os, "sched_getaffinity", None)
    return len(affinity(0)) if affinity else os.cpu_count() or 1


def check_memory(need: Need, there_is: Available | None = None) -> None:
    """Refuse a job that exceeds the machine's memory or the limits of this process.

    Raises NotEnoughMemory, which says how much is needed and how much there is.
    """
    there_is = there_is or available()
    more = max(0, need.total - need.held)
    if there_is.resident is not None and there_is.resident < _SURE * more:
        raise NotEnoughMemory(
            f"{need.what} needs about {in_gib(more)} of memory beyond what is in use, and {in_gib(there_is.resident)} "
            "are free; close other programs, or give volumes with larger voxels."
        )
    reserved = more + _RESERVED_BY_THREAD * (1 + _threads())
    if there_is.address_space is not None and there_is.address_space < _SURE * reserved:
        raise _too_low_a_limit(need.what, reserved, there_is.address_space)


def _too_low_a_limit(what: str, wanted: int, room: int) -> NotEnoughMemory:
    return NotEnoughMemory(
        f"{what} needs about {in_gib(wanted)} of address space beyond what is in use, and the limit of this process "
        f"leaves {in_gib(room)}; raise the limit (ulimit -v)."
    )


def in_gib(size: float) -> str:
    """Format a number of bytes in GiB."""
    return f"{size / 2**30:.1f} GiB" if size >= 2**30 else f"{math.ceil(size / 2**20)} MiB"


def _bytes_of(image: sitk.Image) -> int:
    return image.GetNumberOfPixels() * image.GetNumberOfComponentsPerPixel() * image.GetSizeOfPixelComponent()


RAN_OUT = "Memory ran out. Close other programs, or ask for less at once: larger voxels, a smaller batch or patch."

# The words of numpy, ITK, PyTorch (CPU, CUDA, MPS), the C++ library, the dynamic loader and thread creation.
_PHRASES = (
    "out of memory",
    "not enough memory",
    "allocate memory",
    "failed to allocate",
    "unable to allocate",
    "bad_alloc",
    "bad allocation",
    "failed to map segment",
    "start new thread",
    "resource temporarily unavailable",
)
# oneDNN names what it failed to make, not why. Every run makes these, so memory is what is missing; for what oneDNN
# cannot do at all it fails to create a primitive descriptor.
_OF_ONEDNN = ("could not create a primitive", "could not execute a primitive", "could not create a memory object")


def is_out_of_memory(error: BaseException) -> bool:
    """Tell whether an exception says that memory ran out: only some libraries have their own class for it."""
    if isinstance(error, MemoryError) or (isinstance(error, OSError) and error.errno == errno.ENOMEM):
        return True
    said = str(error).lower()
    if isinstance(error, RuntimeError) and said.strip() in _OF_ONEDNN:
        return True
    if isinstance(error, SystemError):
        # Python's own import loses its MemoryError where there is no memory left for it.
        return "without exception set" in said or "without setting an exception" in said
    return isinstance(error, (RuntimeError, OSError, ImportError)) and any(phrase in said for phrase in _PHRASES)


def stems_from_lack_of_memory(error: BaseException) -> bool:
    """Tell whether lack of memory caused an exception: a reader may then call a file damaged."""
    return any(is_out_of_memory(each) for each in _with_causes(error))


def _with_causes(error: BaseException) -> Iterator[BaseException]:
    seen: set[int] = set()
    cause: BaseException | None = error
    while cause is not None and id(cause) not in seen:
        seen.add(id(cause))
        yield cause
        cause = cause.__cause__ or cause.__context__
