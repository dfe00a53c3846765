"""CSAFusionLib/volumes/deflating.py"""

from __future__ import annotations

import gzip
import threading
import zlib
from collections.abc import Iterator

import numpy as np
import pytest
import SimpleITK as sitk

from CSAFusionLib.volumes.deflating import GZIP, ZLIB, deflated

WHOLE = np.random.default_rng(0).poisson(3, 700_000).astype("<i2").tobytes()
PIECES = [WHOLE[start : start + 2**17] for start in range(0, len(WHOLE), 2**17)]


@pytest.fixture(autouse=True)
def _as_many_threads_as_before() -> Iterator[None]:
    before = sitk.ProcessObject.GetGlobalDefaultNumberOfThreads()
    yield
    sitk.ProcessObject.SetGlobalDefaultNumberOfThreads(before)


def stream(kind: int, threads: int, pieces: list[bytes] = PIECES) -> bytes:
    sitk.ProcessObject.SetGlobalDefaultNumberOfThreads(threads)
    return b"".join(deflated(pieces, kind, level=4, strategy=zlib.Z_DEFAULT_STRATEGY))


@pytest.mark.parametrize("threads", [1, 3])
def test_others_read_what_was_compressed_as_one_stream(threads: int) -> None:
    assert gzip.decompress(stream(GZIP, threads)) == zlib.decompress(stream(ZLIB, threads)) == WHOLE
    one = zlib.decompressobj(GZIP)
    assert one.decompress(stream(GZIP, threads)) == WHOLE and one.eof and not one.unused_data


@pytest.mark.parametrize("kind", [GZIP, ZLIB])
def test_no_byte_depends_on_the_number_of_threads_and_few_are_lost_to_it(kind: int) -> None:
    alone = zlib.compressobj(4, wbits=kind)
    assert stream(kind, 1) == stream(kind, 4)
    assert len(stream(kind, 1)) < 1.005 * len(alone.compress(WHOLE) + alone.flush())


def test_nothing_is_a_stream_too() -> None:
    assert gzip.decompress(stream(GZIP, 2, [])) == b"" == zlib.decompress(stream(ZLIB, 2, []))


def test_no_more_is_taken_than_keeps_the_threads_busy_and_none_stays_when_it_is_stopped() -> None:
    taken: list[int] = []
    sitk.ProcessObject.SetGlobalDefaultNumberOfThreads(2)
    pieces = (taken.append(number) or bytes(10) for number in range(100))
    parts = deflated(pieces, GZIP, level=4, strategy=zlib.Z_DEFAULT_STRATEGY)
    next(parts), next(parts)
    assert len(taken) <= 6
    parts.close()  # type: ignore[attr-defined]
    assert not [thread for thread in threading.enumerate() if thread.name.startswith("deflate")]
