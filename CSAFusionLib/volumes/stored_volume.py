"""A volume as the header of its file describes it, whose voxels are read completely, with checksum, or not at all."""

from __future__ import annotations

import binascii
import bz2
import math
import zlib
from collections.abc import Callable, Iterator
from contextlib import suppress
from dataclasses import dataclass, replace
from enum import Enum, auto
from pathlib import Path
from typing import Any

import numpy as np

from CSAFusionLib import lazy_simpleitk as sitk
from CSAFusionLib.errors import InputError
from CSAFusionLib.geometry.grid import is_geometry, set_ijk_to_lps
from CSAFusionLib.volumes.input_path import check_input_path, chosen

_CHUNK = 1 << 18
# No deflated stream is longer than this many times its size on disk (zlib's technical details); bzip2 has no bound.
_MOST_INFLATED = 1032
# How much a stream may hold beyond the voxels before reading stops.
_MOST_SURPLUS = 1 << 26
# A file that holds less than this share of what its header claims was not cut off: the header is wrong.
_CUT_OFF_SHARE = 1e-3
_GZIP = b"\x1f\x8b"
# A number in text takes at least a digit and a space.
_BYTES_OF_TEXT = 2


class Encoding(Enum):
    """How voxels are stored: as bytes, bytes compressed by zlib or gzip, or by bzip2, hexadecimal, numbers in text."""

    RAW = auto()
    DEFLATE = auto()
    BZIP2 = auto()
    HEXADECIMAL = auto()
    TEXT = auto()


@dataclass(frozen=True)
class VoxelData:
    """Where the voxels are.

    files: hold equal shares of the voxels, in order.
    encoding: how.
    offset: bytes of each file before the voxels, or before the compressed stream; None where they are its last bytes.
    skip: bytes of the decompressed stream before the voxels.
    behind: bytes of it after the voxels, which belong to other volumes and must exist too.
    """

    files: tuple[Path, ...]
    encoding: Encoding = Encoding.RAW
    offset: int | None = 0
    skip: int = 0
    behind: int = 0


def read_voxels(data: VoxelData, number_type: np.dtype[Any], count: int) -> tuple[np.ndarray, int]:
    """Read ``count`` numbers of a type; returns them, (count,), and how many further bytes the files hold.

    Raises InputError, which names the file, when one is missing, cut off, damaged, or far too small for what the header
    claims; never allocates more memory than the files can fill.
    """
    share, rest = divmod(count, len(data.files))
    if rest:
        raise InputError(f"'{data.files[0]}' and the other slices do not make up the volume; export it again.")
    parts, surplus = [], 0
    for file in data.files:
        if check_input_path(file):
            raise InputError(f"'{file}' is a folder, where voxels were expected; export the volume again.")
        part, more = _READERS[data.encoding](file, data, number_type, share)
        if more < data.behind:
            raise _too_short(file, share * number_type.itemsize + data.behind, share * number_type.itemsize + more)
        parts.append(part)
        surplus += more - data.behind
    return parts[0] if len(parts) == 1 else np.concatenate(parts), surplus


def _read_raw(file: Path, data: VoxelData, number_type: np.dtype[Any], count: int) -> tuple[np.ndarray, int]:
    size, needed = file.stat().st_size, count * number_type.itemsize
    offset = size - needed - data.behind if data.offset is None else data.offset + data.skip
    held = min(size, size - offset)
    if held < needed:
        raise _too_short(file, needed, max(0, held))
    return np.fromfile(file, number_type, count, offset=offset), data.behind if data.offset is None else held - needed


def _read_deflated(file: Path, data: VoxelData, number_type: np.dtype[Any], count: int) -> tuple[np.ndarray, int]:
    needed = count * number_type.itemsize
    if data.skip + needed > _MOST_INFLATED * file.stat().st_size + _CHUNK:
        raise _too_short(file, needed, file.stat().st_size)
    return _collect(file, data, number_type, count, lambda: _Deflate())


def _read_bzip2(file: Path, data: VoxelData, number_type: np.dtype[Any], count: int) -> tuple[np.ndarray, int]:
    return _collect(file, data, number_type, count, lambda: _Bzip2())


def _read_hexadecimal(file: Path, data: VoxelData, number_type: np.dtype[Any], count: int) -> tuple[np.ndarray, int]:
    needed = count * number_type.itemsize
    with file.open("rb") as stream:
        stream.seek((data.offset or 0) + data.skip)
        digits = b"".join(stream.read().split())
    if len(digits) < 2 * needed:
        raise _too_short(file, needed, len(digits) // 2)
    try:
        voxels = binascii.unhexlify(digits[: 2 * needed])
    except binascii.Error as error:
        raise InputError(f"'{file}' holds text that is no number among its voxels; export it again.") from error
    return np.frombuffer(voxels, number_type), len(digits) // 2 - needed


def _read_text(file: Path, data: VoxelData, number_type: np.dtype[Any], count: int) -> tuple[np.ndarray, int]:
    held = file.stat().st_size - (data.offset or 0)
    if held < _BYTES_OF_TEXT * count - 1:
        raise _too_short(file, _BYTES_OF_TEXT * count, max(0, held))
    with file.open("rb") as stream:
        stream.seek((data.offset or 0) + data.skip)
        words = stream.read().replace(b",", b" ").split()
    if len(words) < count:
        raise _too_short(file, count, len(words))
    try:
        numbers = np.array(words[:count]).astype(np.float64 if number_type.kind == "f" else np.int64)
    except (ValueError, OverflowError) as error:
        raise InputError(f"'{file}' holds text that is no number among its voxels; export it again.") from error
    limits = np.iinfo(number_type) if number_type.kind in "iu" else None
    if limits and count and (numbers.min() < limits.min or numbers.max() > limits.max):
        raise InputError(f"'{file}' holds numbers that do not fit its number type; export it again.")
    return numbers.astype(number_type), 0


class _Deflate:
    """Decompresses zlib and gzip streams, whose checksum zlib compares at their end."""

    def __init__(self) -> None:
        self._decoder = zlib.decompressobj(zlib.MAX_WBITS | 32)

    @property
    def eof(self) -> bool:
        return self._decoder.eof

    @property
    def unused(self) -> bytes:
        return self._decoder.unused_data

    def pieces(self, chunk: bytes) -> Iterator[bytes]:
        piece = self._decoder.decompress(chunk, _CHUNK)
        yield piece
        # More may follow a full piece, even if the whole chunk was consumed.
        while len(piece) == _CHUNK and not self._decoder.eof:
            piece = self._decoder.decompress(self._decoder.unconsumed_tail, _CHUNK)
            yield piece


class _Bzip2:
    """Decompresses bzip2 streams, each block of which has a checksum."""

    def __init__(self) -> None:
        self._decoder = bz2.BZ2Decompressor()

    @property
    def eof(self) -> bool:
        return self._decoder.eof

    @property
    def unused(self) -> bytes:
        return self._decoder.unused_data

    def pieces(self, chunk: bytes) -> Iterator[bytes]:
        yield self._decoder.decompress(chunk, _CHUNK)
        while not self._decoder.needs_input and not self._decoder.eof:
            yield self._decoder.decompress(b"", _CHUNK)


def _collect(
    file: Path,
    data: VoxelData,
    number_type: np.dtype[Any],
    count: int,
    decoder: Callable[[], _Deflate | _Bzip2],
) -> tuple[np.ndarray, int]:
    """The voxels of a compressed stream, which is read to the checksum at its end."""
    needed, kept = count * number_type.itemsize, bytearray()
    length = _pass_on(file, data, needed, decoder, kept.extend)
    return np.frombuffer(kept, number_type, count), length - data.skip - needed


def _pass_on(
    file: Path,
    data: VoxelData,
    needed: int,
    decoder: Callable[[], _Deflate | _Bzip2],
    take: Callable[[bytes], object],
) -> int:
    """Pass ``needed`` bytes of voxels, in pieces, to ``take``; returns the length of the whole stream."""
    end, length = data.skip + needed, 0
    pieces = _decompressed(file, data.offset or 0, decoder)
    try:
        for piece in pieces:
            take(piece[max(0, data.skip - length) : max(0, end - length)])
            length += len(piece)
            if length > end + data.behind + _MOST_SURPLUS:
                raise InputError(f"'{file}' holds far more voxels than its header says; export the volume again.")
    except (zlib.error, OSError) as error:
        raise InputError(
            f"'{file}' is damaged: its compressed voxels do not fit their checksum; copy or export it again."
        ) from error
    except EOFError as error:
        raise InputError(f"'{file}' is cut off before its last voxel; copy or export it again.") from error
    if length < end:
        raise _too_short(file, needed, max(0, length - data.skip))
    return length


def unpacked(data: VoxelData, needed: int, target: Path) -> VoxelData:
    """Decompress ``needed`` bytes of voxels to a file, and return where they are.

    data: in one compressed file. Raises InputError as :func:`read_voxels` does.
    """
    decoder: Callable[[], _Deflate | _Bzip2] = _Deflate if data.encoding is Encoding.DEFLATE else _Bzip2
    with target.open("wb") as stream:
        _pass_on(data.files[0], data, needed, decoder, stream.write)
    return VoxelData((target,))


def _decompressed(file: Path, offset: int, new: Callable[[], _Deflate | _Bzip2]) -> Iterator[bytes]:
    """The pieces of consecutive streams from an offset on; raises EOFError if the last one does not end."""
    decoder = new()
    with file.open("rb") as stream:
        stream.seek(offset)
        for chunk in iter(lambda: stream.read(_CHUNK), b""):
            rest = chunk
            while rest:
                if decoder.eof:
                    # Blocked gzip (bgzip, pigz) is many streams in a row; anything else behind the end is padding.
                    if not rest.startswith(_GZIP):
                        return
                    decoder = new()
                yield from decoder.pieces(rest)
                rest = decoder.unused if decoder.eof else b""
    if not decoder.eof:
        raise EOFError


def head_of(file: Path, length: int) -> bytes:
    """Return the first bytes of a file, decompressed when it is gzipped; fewer where it is shorter or damaged."""
    if not is_gzip(file):
        with file.open("rb") as stream:
            return stream.read(length)
    head = b""
    with suppress(zlib.error, EOFError):
        for piece in _decompressed(file, 0, _Deflate):
            head += piece
            if len(head) >= length:
                break
    return head[:length]


def is_gzip(file: Path) -> bool:
    """Tell from its first bytes whether a file is gzipped, whatever its name says."""
    with file.open("rb") as stream:
        return stream.read(2) == _GZIP


def _too_short(file: Path, needed: int, held: int) -> InputError:
    if held < _CUT_OFF_SHARE * needed:
        return InputError(
            f"'{file}' is far too small ({held} bytes) for the voxels that its header claims ({needed / 2**20:,.1f} "
            f"MiB); the header is damaged, or the file was cut off, so copy or export it again."
        )
    return InputError(f"'{file}' is cut off before its last voxel; copy or export it again.")


_READERS = {
    Encoding.RAW: _read_raw,
    Encoding.DEFLATE: _read_deflated,
    Encoding.BZIP2: _read_bzip2,
    Encoding.HEXADECIMAL: _read_hexadecimal,
    Encoding.TEXT: _read_text,
}


NO_ORIENTATION = "holds no orientation; its axes are assumed to run to left, posterior and superior, as in 3D Slicer."
NO_SPACING = "does not give its voxel size along every axis; 1 mm was assumed where it is missing."

# Up to this many bytes after the voxels are padding; more, or a whole slice, mean a wrong header.
_PADDING = 1024
_AT_A_TIME = 1 << 20


@dataclass(frozen=True)
class StoredVolume:
    """The contents of a file's header; everything but the voxels has been checked.

    path: the file that was given.
    size: voxels along i, j, k, each 1 or more.
    number_type: of one component, with its byte order.
    affine: (4, 4), takes (i, j, k, 1) to LPS mm; not necessarily straight.
    data: where the voxels are.
    components: numbers in each voxel.
    component_axis: how many of the axes i, j, k run faster than the components; 0 where a voxel's numbers are together.
    scaling: slope and intercept that take stored numbers to values, or None where they are the values.
    series: how many such volumes lie one behind the other; :func:`one_of` chooses one.
    seconds_apart, first_second: time between two of them, 0 where the header does not say it, and that of the first.
    notes: as in :class:`CSAFusionLib.volumes.volume.Volume`.
    """

    path: Path
    size: tuple[int, int, int]
    number_type: np.dtype[Any]
    affine: np.ndarray
    data: VoxelData
    components: int = 1
    component_axis: int = 0
    scaling: tuple[float, float] | None = None
    series: int = 1
    seconds_apart: float = 0.0
    first_second: float = 0.0
    notes: tuple[str, ...] = ()


def one_of(stored: StoredVolume, number: int | None) -> StoredVolume:
    """Return one volume of a series (4-D), counted from 1, or the only volume of a file.

    Raises SeveralVolumesError where there are several and none is chosen, InputError for a number that does not exist.
    """
    index = chosen(str(stored.path), [("", stored.size[2])] * stored.series, number)
    data = stored.data
    if stored.series == 1 or len(data.files) > 1 or data.encoding in (Encoding.TEXT, Encoding.HEXADECIMAL):
        return stored
    length = math.prod(stored.size) * stored.components * stored.number_type.itemsize
    return replace(
        stored,
        data=replace(data, skip=data.skip + index * length, behind=(stored.series - 1 - index) * length),
        series=1,
        notes=(*stored.notes, f"is number {index + 1} of the {stored.series} that its source holds."),
    )


def to_image(stored: StoredVolume) -> tuple[sitk.Image, tuple[str, ...]]:
    """Read the voxels; return the image, placed as the header says, and what a user must know about it.

    Values that are scaled are float32, or float64 where their stored numbers need it.
    Raises InputError as :func:`read_voxels` does, for a header without a geometry, and
    for a series of which no volume is chosen.
    """
    if stored.series > 1:
        raise InputError(
            f"'{stored.path}' is a series of {stored.series} volumes (4-D); extract one 3-D volume from it first."
        )
    _check_geometry(stored)
    flat, surplus = read_voxels(stored.data, stored.number_type, math.prod(stored.size) * stored.components)
    slice_bytes = stored.number_type.itemsize * stored.components * stored.size[0] * stored.size[1]
    notes = stored.notes
    if surplus >= min(_PADDING, slice_bytes):
        notes += (f"holds {surplus} bytes more than its header says, which were ignored: compare its size.",)
    voxels = _arranged(_scaled(flat, stored), stored)
    # Where the values are scaled, the stored numbers would stay beside them and the image.
    del flat
    image = sitk.GetImageFromArray(voxels, isVector=stored.components > 1)
    set_ijk_to_lps(image, stored.affine)
    return image, notes


def _check_geometry(stored: StoredVolume) -> None:
    if not is_geometry(stored.affine):
        raise InputError(
            f"'{stored.path}' has a header whose spacing, origin or axis directions make no geometry; correct the "
            f"header or export the volume again."
        )


def _scaled(flat: np.ndarray, stored: StoredVolume) -> np.ndarray:
    native = stored.number_type.newbyteorder("=")
    if stored.scaling is None:
        return flat.astype(native, copy=False)
    slope, intercept = stored.scaling
    wide = native.itemsize > 4 or (native.kind in "iu" and native.itemsize == 4)
    values = np.empty(flat.shape, np.float64 if wide else np.float32)
    with np.errstate(over="ignore", invalid="ignore"):
        # Computed in double precision, as in ITK, and piece by piece, so that no array of doubles exists beside the
        # result.
        for start in range(0, flat.size, _AT_A_TIME):
            part = slice(start, start + _AT_A_TIME)
            values[part] = flat[part].astype(np.float64) * slope + intercept
    return values


def _arranged(flat: np.ndarray, stored: StoredVolume) -> np.ndarray:
    """The numbers as an array indexed k, j, i, and by component where there are several."""
    if stored.components == 1:
        return flat.reshape(stored.size[::-1])
    lengths = list(stored.size)
    lengths.insert(stored.component_axis, stored.components)
    return np.moveaxis(flat.reshape(lengths[::-1]), 3 - stored.component_axis, -1)
