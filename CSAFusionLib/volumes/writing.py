"""Write volumes and read them back, so that a file is always complete and has the volume's geometry.

ITK writes a volume in one go, which takes a minute for a large one and cannot be interrupted, and its NIfTI writer does
not report a full disk. So ITK writes the header of one voxel at the volume's place, in which only the size is then
corrected; the voxels follow piece by piece. Several threads compress them into one ordinary gzip or zlib stream, whose
bytes do not depend on the number of threads.
"""

from __future__ import annotations

import re
import struct
import zlib
from collections import deque
from collections.abc import Callable, Iterable, Iterator
from concurrent.futures import Future, ThreadPoolExecutor
from dataclasses import dataclass
from itertools import chain
from pathlib import Path
from typing import IO

import numpy as np
import SimpleITK as sitk

from CSAFusionLib.errors import InputError
from CSAFusionLib.files.atomic_write import Unwritable, Writer, atomic_write, place_of
from CSAFusionLib.geometry.grid import corners_apart
from CSAFusionLib.logs import itk_warnings_off

GZIP, ZLIB = 31, 15
"""The codes of ``zlib`` for its two kinds of streams."""

_HEADS = {GZIP: b"\x1f\x8b\x08\0\0\0\0\0\0\xff", ZLIB: b"\x78\x5e"}
_RAW = -15
_LAST_BLOCK = b"\x03\x00"

Piece = bytes | memoryview


def deflated(pieces: Iterable[Piece], kind: int, *, level: int, strategy: int) -> Iterator[bytes]:
    """Compress with as many threads as ITK uses; yields the stream part by part.

    Each piece is compressed independently, so pieces should be long: at 1 MiB the stream is 0.1 % longer for it.

    Args:
        pieces: what is compressed, in order.
        kind: ``GZIP`` or ``ZLIB``.
        level, strategy: as ``zlib.compressobj`` takes them.
    """

    def deflate(piece: Piece) -> bytes:
        stream = zlib.compressobj(level, zlib.DEFLATED, _RAW, strategy=strategy)
        # Flush to the end of a byte, where the next piece starts.
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
    """The checksum at the end of a stream."""

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


CHUNK = 2**20
"""Bytes of voxels that are written or read at a time."""

# Above this, zlib takes several times as long for a few per cent less.
_LEVEL = 4
_FLOATS = (sitk.sitkFloat32, sitk.sitkFloat64, sitk.sitkVectorFloat32, sitk.sitkVectorFloat64)
_NIFTI_HEADER = 352
_LONGEST_NIFTI = 32767
_SIZE_WIDTH = 20


@dataclass(frozen=True)
class Layout:
    """The layout of a file: its header, and how the rest is compressed (None: not at all).

    in_stream: the header is compressed with the voxels. by_component: all voxels of one component come before those of
    the next.
    """

    header: bytes
    compression: int | None
    in_stream: bool = False
    by_component: bool = False


def layout_of(image: sitk.Image, file: Path, *, compressed: bool = True) -> Layout:
    """Return the layout of a volume in the format of the file's extension: .nii.gz, .nii, .nrrd or .mha.

    Raises Unwritable or RuntimeError where the format cannot hold it.
    """
    return layout_like(_first_voxel(image), image.GetSize(), file, compressed=compressed)


def layout_like(voxel: sitk.Image, size: tuple[int, ...], file: Path, *, compressed: bool = True) -> Layout:
    """Return the same for a volume, or a series of volumes (4-D), given its first voxel and its size."""
    if file.suffix == ".nrrd":
        header = _written(voxel, file, compressed).split(b"\n\n", 1)[0] + b"\n\n"
        return Layout(_with_nrrd_size(header, size), GZIP if compressed else None)
    if file.suffix == ".mha":
        header, last, _ = _written(voxel, file, compressed).rpartition(b"ElementDataFile = LOCAL\n")
        return Layout(_with_meta_size(header, size) + last, ZLIB if compressed else None)
    header = _with_nifti_size(_written(voxel, file.with_suffix("") if file.suffix == ".gz" else file, False), size)
    return Layout(header, GZIP if file.suffix == ".gz" else None, in_stream=True, by_component=True)


def encode(image: sitk.Image, layout: Layout, file: Path, on_chunk: Callable[[], None]) -> int:
    """Write a file; ``on_chunk`` is called for every piece, and may raise to stop.

    Returns the checksum that :func:`check_kept` takes. Raises OSError when the disk refuses the file.
    """
    return encode_pieces(voxels_of(image, layout), layout, file, on_chunk, are_floats=image.GetPixelID() in _FLOATS)


def encode_pieces(
    pieces: Iterable[Piece],
    layout: Layout,
    file: Path,
    on_chunk: Callable[[], None],
    *,
    are_floats: bool,
) -> int:
    """Write a file, as :func:`encode` does, from pieces of voxels as bytes in the order of the file."""
    parts: Iterable[Piece] = chain((layout.header,) if layout.in_stream else (), _watched(pieces, on_chunk))
    if layout.compression is not None:
        # Floats rarely repeat except in a constant background: a search for other repeats takes three times as long.
        strategy = zlib.Z_RLE if are_floats else zlib.Z_DEFAULT_STRATEGY
        parts = deflated(parts, layout.compression, level=_LEVEL, strategy=strategy)
    checksum = 0
    with file.open("wb") as target:
        if not layout.in_stream:
            target.write(layout.header)
        start = target.tell()
        for part in parts:
            target.write(part)
            checksum = zlib.crc32(part, checksum)
        if file.suffix == ".mha" and layout.compression is not None:
            _tell_compressed_size(target, layout.header, target.tell() - start)
    return checksum


def _watched(pieces: Iterable[Piece], on_chunk: Callable[[], None]) -> Iterator[Piece]:
    for piece in pieces:
        on_chunk()
        yield piece


def voxels_of(image: sitk.Image, layout: Layout) -> Iterator[Piece]:
    """Return the voxels as bytes in the order of the file, in pieces."""
    array = sitk.GetArrayViewFromImage(image)
    separate = layout.by_component and image.GetNumberOfComponentsPerPixel() > 1
    for part in np.moveaxis(array, -1, 0) if separate else array[None]:
        data = memoryview(np.ascontiguousarray(part).reshape(-1).view(np.uint8).data)
        for start in range(0, len(data), CHUNK):
            yield data[start : start + CHUNK]


def _first_voxel(image: sitk.Image) -> sitk.Image:
    """An image of one voxel with the geometry, type and header fields of another."""
    voxel = sitk.Image([1] * image.GetDimension(), image.GetPixelID(), image.GetNumberOfComponentsPerPixel())
    voxel.SetOrigin(image.GetOrigin())
    voxel.SetSpacing(image.GetSpacing())
    voxel.SetDirection(image.GetDirection())
    for key in image.GetMetaDataKeys():
        # A line break would end the field, in NRRD and MetaImage, and the rest would be read as header.
        if (key + image.GetMetaData(key)).isprintable():
            voxel.SetMetaData(key, image.GetMetaData(key))
    return voxel


def _written(voxel: sitk.Image, like: Path, compressed: bool) -> bytes:
    file = like.with_name(f"header{like.suffix}")
    sitk.WriteImage(voxel, str(file), useCompression=compressed)
    content = file.read_bytes()
    file.unlink()
    return content


def _with_nifti_size(content: bytes, size: tuple[int, ...]) -> bytes:
    if max(size) > _LONGEST_NIFTI:
        raise Unwritable(f"NIfTI holds at most {_LONGEST_NIFTI} voxels along an axis; save it as .nrrd or .mha")
    if len(content) < _NIFTI_HEADER:
        # ITK does not report that a disk is already full.
        raise Unwritable("the disk does not keep it whole")
    header = bytearray(content[:_NIFTI_HEADER])
    struct.pack_into(f"<{len(size)}h", header, 42, *size)
    return bytes(header)


def _with_nrrd_size(header: bytes, size: tuple[int, ...]) -> bytes:
    ones, numbers = " ".join("1" * len(size)), " ".join(map(str, size))
    return re.sub(rf"(?m)^(sizes: (?:\d+ )?){ones}$".encode(), rf"\g<1>{numbers}".encode(), header, count=1)


def _with_meta_size(header: bytes, size: tuple[int, ...]) -> bytes:
    """Leave room for the number of compressed bytes, which precedes them."""
    numbers = " ".join(map(str, size)).encode()
    head, _, tail = header.rpartition(b"\nDimSize = ")
    header = head + b"\nDimSize = " + numbers + b"\n" + tail.partition(b"\n")[2]
    room = b" " * _SIZE_WIDTH
    return re.sub(rb"(?m)^CompressedDataSize = \d+$", b"CompressedDataSize = " + room, header, count=1)


def _tell_compressed_size(target: IO[bytes], header: bytes, size: int) -> None:
    target.seek(header.index(b"CompressedDataSize = ") + len(b"CompressedDataSize = "))
    target.write(str(size).ljust(_SIZE_WIDTH).encode())


CORNERS_APART_MM = 1e-3
"""How far a format may move a corner of a volume."""

_SINGLE_PRECISION = 4 * float(np.finfo(np.float32).eps)


def check_kept(file: Path, layout: Layout, checksum: int, on_chunk: Callable[[], None]) -> None:
    """Raise Unwritable when the disk does not hold what was written after the header, or with it, by its checksum.

    on_chunk: called for every piece that is read; it may raise to stop.
    """
    found = 0
    with file.open("rb") as source:
        source.seek(0 if layout.in_stream else len(layout.header))
        while piece := source.read(CHUNK):
            on_chunk()
            found = zlib.crc32(piece, found)
    if found != checksum:
        raise Unwritable("the disk does not keep it whole")


def _check_header(image: sitk.Image, file: Path) -> None:
    reader = sitk.ImageFileReader()
    reader.SetFileName(str(file))
    with itk_warnings_off():
        reader.ReadImageInformation()
    found = reader.GetPixelID(), reader.GetNumberOfComponents(), reader.GetSize()
    if found != (image.GetPixelID(), image.GetNumberOfComponentsPerPixel(), image.GetSize()):
        raise Unwritable("this format cannot hold its type of voxels; save it as .nrrd or .mha")
    apart = corners_apart(image, reader)
    # NIfTI keeps positions in single precision, which is no finer than this very far from the scanner's centre.
    if apart > max(CORNERS_APART_MM, _SINGLE_PRECISION * np.abs(image.GetOrigin()).max()):
        raise Unwritable(f"this format would put it up to {apart:.2g} mm from where it lies; save it as .nrrd or .mha")


VOLUME_EXTENSIONS = (".nii.gz", ".nii", ".nrrd", ".mha")


def write_volume(image: sitk.Image, path: str | Path) -> None:
    """Write a volume, compressed if the format allows it, read it back, and only then put it in place.

    Raises InputError as :func:`check_output_path` does, when the disk refuses the file, or when the format cannot hold
    the volume or its place.
    """
    path = check_output_path(path)
    atomic_write({path: volume_writer(image)})


def volume_writer(image: sitk.Image, on_chunk: Callable[[], None] = lambda: None, *, compressed: bool = True) -> Writer:
    """Return the function that writes a volume to a path that ends in one of ``VOLUME_EXTENSIONS``, and reads it back.

    on_chunk: called for every piece, of about a megabyte; it may raise to stop.
    """

    def write(path: Path) -> None:
        layout = layout_of(image, path, compressed=compressed)
        checksum = encode(image, layout, path, on_chunk)
        check_kept(path, layout, checksum, on_chunk)
        _check_header(image, path)

    return write


def check_output_path(path: str | Path) -> Path:
    """Check, before any long work, that a volume can be written to ``path``; returns it as a Path.

    Raises InputError for an extension that is not .nii, .nii.gz, .nrrd or .mha, and as
    :func:`CSAFusionLib.files.atomic_write.place_of` does.
    """
    path = Path(path)
    if not path.name.lower().endswith(VOLUME_EXTENSIONS):
        raise InputError(
            f"'{path}' is not a volume format that can be written; end it in .nii, .nii.gz, .nrrd or .mha."
        )
    place_of(path)
    return path
