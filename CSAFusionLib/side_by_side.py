"""Two pieces of work at the same time, on two threads."""

from __future__ import annotations

from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from typing import TypeVar

from CSAFusionLib import lazy_simpleitk as sitk

S = TypeVar("S")
T = TypeVar("T")


def side_by_side(first: Callable[[], S], second: Callable[[], T]) -> tuple[S, T]:
    """Return what two functions give: called at the same time where ITK may take two threads, else in turn.

    The second is called by this thread. They may share arrays and transforms that neither changes, but no SimpleITK
    image: it may exchange what it holds when it is seen as an array. ``sitk.Image(image)`` is one of its own, of the
    same voxels.

    What either raises is raised when both have ended; of two errors it is the first one's.
    """
    if sitk.ProcessObject.GetGlobalDefaultNumberOfThreads() == 1:
        return first(), second()
    with ThreadPoolExecutor(1, "beside") as pool:
        beside = pool.submit(first)
        try:
            own = second()
        finally:
            of_first = beside.result()
        return of_first, own
