"""CSAFusionLib/side_by_side.py"""

from __future__ import annotations

import threading
from collections.abc import Iterator

import pytest
import SimpleITK as sitk

from CSAFusionLib.side_by_side import side_by_side


@pytest.fixture
def threads(request: pytest.FixtureRequest) -> Iterator[int]:
    before = sitk.ProcessObject.GetGlobalDefaultNumberOfThreads()
    sitk.ProcessObject.SetGlobalDefaultNumberOfThreads(request.param)
    yield request.param
    sitk.ProcessObject.SetGlobalDefaultNumberOfThreads(before)


def failing(message: str) -> None:
    raise ValueError(message)


@pytest.mark.parametrize("threads", [2], indirect=True)
def test_two_threads_work_at_the_same_time_and_this_one_does_the_second(threads: int) -> None:
    meeting = threading.Barrier(2, timeout=10)

    def meet() -> threading.Thread:
        meeting.wait()
        return threading.current_thread()

    first, second = side_by_side(meet, meet)
    assert first is not second is threading.main_thread()


@pytest.mark.parametrize("threads", [1], indirect=True)
def test_one_thread_does_one_after_the_other(threads: int) -> None:
    done: list[str] = []
    side_by_side(lambda: done.append("first"), lambda: done.append("second"))
    assert done == ["first", "second"]
    assert side_by_side(threading.current_thread, lambda: 2) == (threading.main_thread(), 2)


@pytest.mark.parametrize("threads", [1, 2], indirect=True)
def test_the_first_error_is_raised(threads: int) -> None:
    with pytest.raises(ValueError, match="first"):
        side_by_side(lambda: failing("first"), lambda: failing("second"))
    with pytest.raises(ValueError, match="second"):
        side_by_side(lambda: 1, lambda: failing("second"))
    with pytest.raises(ValueError, match="first"):
        side_by_side(lambda: failing("first"), lambda: 2)
