"""Small files of every format, written byte by byte from the specifications, with whatever a test wants in them."""

from __future__ import annotations

import gzip
import struct
import zlib
from pathlib import Path

import numpy as np

CODES = {"u1": 2, "i2": 4, "i4": 8, "f4": 16, "f8": 64, "i1": 256, "u2": 512, "u4": 768, "i8": 1024, "u8": 1280}
NRRD_TYPES = {"u1": "uchar", "i2": "short", "i4": "int", "f4": "float", "f8": "double", "u2": "ushort", "i8": "int64"}
MET_TYPES = {"u1": "MET_UCHAR", "i2": "MET_SHORT", "u2": "MET_USHORT", "i4": "MET_INT", "f4": "MET_FLOAT"}


def some_voxels(dtype: str = "i2", shape: tuple[int, ...] = (6, 8, 10)) -> np.ndarray:
    """Numbers indexed k, j, i of which no two slices, rows or columns are alike."""
    numbers = np.random.default_rng(0).integers(0, 200, shape)
    return numbers.astype(dtype)


def nifti_header(
    shape: tuple[int, ...],
    *,
    second: bool = False,
    order: str = "<",
    code: int = 4,
    bits: int = 16,
    codes: tuple[int, int] = (0, 1),
    quaternion: tuple[float, ...] = (0, 0, 0, 0, 0, 0),
    rows: np.ndarray | None = None,
    pixdim: tuple[float, ...] = (1, 0.9, 0.9, 3.0),
    scaling: tuple[float, float] = (1, 0),
    magic: bytes = b"n+1\0",
    offset: float | None = None,
    units: int = 2,
    intent: int = 0,
) -> bytes:
    """A header with the lengths (i, j, k, ...); codes: qform and sform; quaternion: b, c, d and the offset."""
    lengths = [len(shape), *shape, *[1] * (7 - len(shape))]
    sides = [*pixdim, *[0.0] * (8 - len(pixdim))]
    srow = np.ravel(np.diag([-0.9, 0.9, 3.0, 0])[:3] if rows is None else rows).tolist()
    if second:
        head = bytearray(540)
        struct.pack_into(order + "i", head, 0, 540)
        head[4:12] = b"n+2\0\r\n\x1a\n"
        struct.pack_into(order + "hh8q", head, 12, code, bits, *lengths)
        struct.pack_into(order + "8d", head, 104, *sides)
        struct.pack_into(order + "q2d", head, 168, int(544 if offset is None else offset), *scaling)
        struct.pack_into(order + "2i6d12d", head, 344, *codes, *quaternion, *srow)
        struct.pack_into(order + "2i", head, 500, units, intent)
        return bytes(head) + bytes(4)
    head = bytearray(348)
    struct.pack_into(order + "i", head, 0, 348)
    struct.pack_into(order + "8h", head, 40, *lengths)
    struct.pack_into(order + "3h", head, 68, intent, code, bits)
    struct.pack_into(order + "8f", head, 76, *sides)
    first = 352.0 if magic[:2] == b"n+" else 0.0
    struct.pack_into(order + "3f", head, 108, first if offset is None else offset, *scaling)
    head[123] = units
    if magic.strip(b"\0"):
        struct.pack_into(order + "2h6f12f", head, 252, *codes, *quaternion, *srow)
    head[344:348] = magic
    return bytes(head) + (bytes(4) if magic[:2] == b"n+" else b"")


def nifti(path: Path, voxels: np.ndarray, **fields) -> Path:
    """A single .nii or .nii.gz of voxels indexed k, j, i; ``fields`` as :func:`nifti_header` takes them."""
    order, kind = fields.get("order", "<"), voxels.dtype.str[1:]
    known = {"code": CODES[kind], "bits": 8 * voxels.itemsize}
    content = nifti_header(voxels.shape[::-1], **known | fields) + voxels.astype(order + kind).tobytes()
    path.write_bytes(gzip.compress(content) if path.suffix == ".gz" else content)
    return path


def nifti_pair(folder: Path, voxels: np.ndarray, *, name: str = "a", magic: bytes = b"ni1\0", **fields) -> Path:
    """A pair of .hdr and .img; returns the path of the header."""
    known = {"code": CODES[voxels.dtype.str[1:]], "bits": 8 * voxels.itemsize, "magic": magic}
    (folder / f"{name}.hdr").write_bytes(nifti_header(voxels.shape[::-1], **known | fields))
    (folder / f"{name}.img").write_bytes(voxels.astype(voxels.dtype.newbyteorder("<")).tobytes())
    return folder / f"{name}.hdr"


def nrrd(path: Path, voxels: np.ndarray, *, data: bytes | None = None, **fields: str) -> Path:
    """A .nrrd of voxels indexed k, j, i, in LPS unless ``fields`` (with _ for a space) say otherwise."""
    known = {
        "type": NRRD_TYPES[voxels.dtype.str[1:]],
        "dimension": str(voxels.ndim),
        "sizes": " ".join(map(str, voxels.shape[::-1])),
        "endian": "little",
        "encoding": "raw",
        "space": "left-posterior-superior",
        "space_directions": "(0.9,0,0) (0,0.9,0) (0,0,3)",
        "space_origin": "(-10,20,30)",
    }
    lines = [f"{name.replace('_', ' ')}: {value}" for name, value in (known | fields).items() if value]
    stored = voxels.astype(voxels.dtype.newbyteorder("<")).tobytes() if data is None else data
    path.write_bytes("\n".join(["NRRD0005", "# a comment", *lines, "a key:=a value", "", ""]).encode() + stored)
    return path


def metaimage(path: Path, voxels: np.ndarray, *, data: bytes | None = None, **fields: str) -> Path:
    """A .mha of voxels indexed k, j, i (and component), raw unless ``fields`` say otherwise; no field is empty."""
    several = {"ElementNumberOfChannels": str(voxels.shape[3])} if voxels.ndim == 4 else {}
    known = {
        "ObjectType": "Image",
        "NDims": "3",
        "BinaryData": "True",
        "BinaryDataByteOrderMSB": "False",
        "TransformMatrix": "1 0 0 0 1 0 0 0 1",
        "Offset": "-10 20 30",
        "ElementSpacing": "0.9 0.9 3",
        "DimSize": " ".join(map(str, voxels.shape[2::-1])),
        "ElementType": MET_TYPES[voxels.dtype.str[1:]],
    }
    last = {"ElementDataFile": fields.pop("ElementDataFile", "LOCAL")}
    lines = [f"{name} = {value}\n" for name, value in (known | several | fields | last).items() if value]
    stored = voxels.astype(voxels.dtype.newbyteorder("<")).tobytes() if data is None else data
    path.write_bytes("".join(lines).encode() + stored)
    return path


def compressed_metaimage(path: Path, voxels: np.ndarray, *, stream: bytes | None = None, **fields: str) -> Path:
    """A .mha whose voxels are compressed by zlib, or whose stream is the one given."""
    stream = zlib.compress(voxels.tobytes()) if stream is None else stream
    return metaimage(path, voxels, data=stream, CompressedData="True", CompressedDataSize=str(len(stream)), **fields)
