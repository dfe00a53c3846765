"""Compression by several threads into one ordinary stream of gzip or zlib, the same whatever their number."""

from __future__ import annotations

import struct
import zlib
from collections import deque
from collections.abc import Iterable, Iterator
from concurrent.futures import Future, ThreadPoolExecutor

import SimpleITK as sitk

GZIP, ZLIB = 31, 15
"""What ``zlib`` calls its two kinds of streams."""

_HEADS = {GZIP: b"\x1f\x8b\x08\0\0\0\0\0\0\xff", ZLIB: b"\x78\x5e"}
_RAW = -15
_LAST_BLOCK = b"\x03\x00"

Piece = bytes | memoryview


def deflated(pieces: Iterable[Piece], kind: int, *, level: int, strategy: int) -> Iterator[bytes]:
    """Return a stream, part by part, of as many threads as ITK takes.

    Each piece begins anew, so pieces are to be long: of 1 MiB the stream is a per mille longer for it.

    Args:
        pieces: what is compressed, in order.
        kind: ``GZIP`` or ``ZLIB``.
        level, strategy: as ``zlib.compressobj`` takes them.
    """

    def deflate(piece: Piece) -> bytes:
        stream = zlib.compressobj(level, zlib.DEFLATED, _RAW, strategy=strategy)
        # To the end of a byte, where the next piece is put.
        return stream.compress(piece) + stream.flush(zlib.Z_SYNC_FLUSH)

    checksum = _Checksum(kind)
    yield _HEADS[kind]
    threads = sitk.ProcessObject.GetGlobalDefaultNumberOfThreads()
    if threads == 1:
        yield from map(deflate, map(checksum.seen, pieces))
    else:
        with ThreadPoolExecutor(threads, "deflate") as pool:
            waiting: deque[Future[bytes]] = deque()
            for piece in map(checksum.seen, pieces):
                waiting.append(pool.submit(deflate, piece))
                if len(waiting) > 2 * threads:
                    yield waiting.popleft().result()
            while waiting:
                yield waiting.popleft().result()
    yield _LAST_BLOCK + checksum.end()


class _Checksum:
    """What a stream ends with."""

    def __init__(self, kind: int) -> None:
        self._is_gzip = kind == GZIP
        self._sum = 0 if self._is_gzip else 1
        self._size = 0

    def seen(self, piece: Piece) -> Piece:
        """Take a piece into account and return it."""
        self._sum = (zlib.crc32 if self._is_gzip else zlib.adler32)(piece, self._sum)
        self._size += len(piece)
        return piece

    def end(self) -> bytes:
        """The last bytes of the stream."""
        return struct.pack("<II", self._sum, self._size % 2**32) if self._is_gzip else struct.pack(">I", self._sum)
