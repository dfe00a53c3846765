"""Detects that memory ran out, whichever library reports it, and the message for it."""

from __future__ import annotations

import errno
from collections.abc import Iterator

RAN_OUT = "Memory ran out. Close other programs, or ask for less at once: larger voxels, a smaller batch or patch."

# As numpy, ITK, PyTorch (CPU, CUDA, MPS), the C++ library, the loader of libraries and the starter of threads say it.
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


def is_out_of_memory(error: BaseException) -> bool:
    """Tell whether an exception says that memory ran out: only some libraries have a class of their own for it."""
    if isinstance(error, MemoryError) or (isinstance(error, OSError) and error.errno == errno.ENOMEM):
        return True
    said = str(error).lower()
    return isinstance(error, (RuntimeError, OSError, ImportError)) and any(phrase in said for phrase in _PHRASES)


def stems_from_lack_of_memory(error: BaseException) -> bool:
    """Tell whether memory ran out behind an exception, which may call a file damaged that there was no room to read."""
    return any(is_out_of_memory(each) for each in _with_causes(error))


def _with_causes(error: BaseException) -> Iterator[BaseException]:
    seen: set[int] = set()
    cause: BaseException | None = error
    while cause is not None and id(cause) not in seen:
        seen.add(id(cause))
        yield cause
        cause = cause.__cause__ or cause.__context__
