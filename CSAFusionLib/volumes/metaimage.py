"""Read the header of MetaImage files, with their voxels in the same file (.mha) or beside it (.mhd).

ITK's reader is not used for them: it checks no checksum, fills in missing data, and a damaged header can crash it. The
format: https://itk.org/Wiki/ITK/MetaIO/Documentation.
"""

from __future__ import annotations

import re
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np

from CSAFusionLib.errors import InputError
from CSAFusionLib.volumes.input_path import listed_files, numbered_files
from CSAFusionLib.volumes.stored_volume import NO_ORIENTATION, NO_SPACING, Encoding, StoredVolume, VoxelData

_LONGEST_HEADER = 1 << 20
# MetaIO accepts both signs; the field that names the file of the voxels is the last one.
_FIELD = re.compile(rb"\s*([^\s=:][^=:]*?)\s*[=:]\s*(.*?)\s*\Z", re.DOTALL)
_LAST = "ElementDataFile"

# MET_LONG has 4 bytes in MetaIO on every system.
_TYPES = {
    "MET_CHAR": "i1",
    "MET_UCHAR": "u1",
    "MET_SHORT": "i2",
    "MET_USHORT": "u2",
    "MET_INT": "i4",
    "MET_UINT": "u4",
    "MET_LONG": "i4",
    "MET_ULONG": "u4",
    "MET_LONG_LONG": "i8",
    "MET_ULONG_LONG": "u8",
    "MET_FLOAT": "f4",
    "MET_DOUBLE": "f8",
}
_MM = {"um": 1e-3, "mm": 1.0, "cm": 10.0, "m": 1000.0}
_SCALED = 1e-3


@dataclass(frozen=True)
class _Header:
    """The fields of a header by name, and the length of the header in bytes."""

    path: Path
    fields: dict[str, str]
    length: int

    def refusal(self, what: str) -> InputError:
        return InputError(f"'{self.path}' has a MetaImage header that {what}; correct it or export the volume again.")

    def first(self, *names: str) -> str:
        """The value of the first of several fields that mean the same; empty where there is none."""
        return next((self.fields[name] for name in names if name in self.fields), "")

    def is_true(self, *names: str) -> bool:
        return self.first(*names)[:1] in ("T", "t", "1")

    def floats(self, *names: str) -> np.ndarray:
        try:
            return np.array([float(word) for word in self.first(*names).split()])
        except ValueError as error:
            raise self.refusal(f"has no numbers in its field '{names[0]}'") from error

    def whole_numbers(self, name: str) -> list[int]:
        try:
            return [int(word) for word in self.first(name).split()]
        except ValueError as error:
            raise self.refusal(f"has no whole numbers in its field '{name}'") from error


def is_metaimage(head: bytes) -> bool:
    """Tell by its first bytes whether a file has a MetaImage header."""
    return re.search(rb"^\s*(ObjectType|NDims|DimSize)\s*[=:]", head[:2048], re.MULTILINE) is not None


def read_metaimage(path: Path) -> StoredVolume:
    """Read the header of a .mha or .mhd file.

    Raises InputError, which names the file, if the header is damaged, contradicts itself or does not describe a 3-D
    volume, or if the number type is unknown or unsupported.
    """
    header = _parse(path)
    sizes = _sizes(header)
    channels = header.whole_numbers("ElementNumberOfChannels") or [1]
    if len(channels) > 1 or channels[0] < 1:
        raise header.refusal("gives an impossible number of channels")
    affine, notes = _affine(header, len(sizes))
    return StoredVolume(
        path=path,
        size=(sizes[0], sizes[1], sizes[2]),
        number_type=_number_type(header),
        affine=affine,
        data=_data(header),
        components=channels[0],
        series=sizes[3] if len(sizes) > 3 else 1,
        notes=notes,
    )


def _parse(path: Path) -> _Header:
    fields: dict[str, str] = {}
    with path.open("rb") as stream:
        while _LAST not in fields and stream.tell() < _LONGEST_HEADER:
            line = stream.readline(_LONGEST_HEADER)
            found = _FIELD.match(line)
            if not line or (line.strip() and not found):
                break
            if found:
                fields[found[1].decode("utf-8", "replace")] = found[2].decode("utf-8", "replace")
        length = stream.tell()
    if _LAST not in fields or not fields[_LAST] or "DimSize" not in fields:
        raise InputError(f"'{path}' has a damaged MetaImage header; copy or export it again.")
    return _Header(path, fields, length)


def _sizes(header: _Header) -> list[int]:
    sizes = header.whole_numbers("DimSize")
    if header.whole_numbers("NDims") != [len(sizes)] or min(sizes, default=0) < 1:
        raise header.refusal("gives impossible dimensions")
    if len(sizes) < 3:
        raise InputError(f"'{header.path}' is a 2-D image; give a 3-D volume.")
    if any(length > 1 for length in sizes[4:]):
        raise InputError(f"'{header.path}' has more than 4 dimensions; extract one 3-D volume from it first.")
    return sizes


def _number_type(header: _Header) -> np.dtype[Any]:
    name = header.first("ElementType")
    if name not in _TYPES:
        raise header.refusal(f"gives a type of voxel that is not a number ('{name}')")
    is_big = header.is_true("BinaryDataByteOrderMSB", "ElementByteOrderMSB")
    return np.dtype(_TYPES[name]).newbyteorder(">" if is_big else "<")


def _affine(header: _Header, dimension: int) -> tuple[np.ndarray, tuple[str, ...]]:
    """The matrix to LPS mm, and notes on what the header leaves open."""
    given = {
        "spacing": header.floats("ElementSpacing", "ElementSize"),
        "directions": header.floats("TransformMatrix", "Rotation", "Orientation"),
        "origin": header.floats("Offset", "Position", "Origin"),
    }
    lengths = {"spacing": dimension, "directions": dimension**2, "origin": dimension}
    for name, values in given.items():
        if values.size not in (0, lengths[name]):
            raise header.refusal(f"gives {values.size} numbers for its {name}, where {lengths[name]} belong")
    notes: tuple[str, ...] = ()
    directions = np.eye(3)
    if given["directions"].size:
        # One row per axis.
        directions = given["directions"].reshape(dimension, dimension)[:3, :3].T
        longest = np.abs(np.linalg.norm(directions, axis=0) - 1).max()
        if longest > _SCALED:
            notes += (f"has axis directions up to {longest:.1%} off length 1, by which its voxels were stretched.",)
    else:
        notes += (NO_ORIENTATION,)
    spacing = given["spacing"][:3] if given["spacing"].size else np.ones(3)
    if not given["spacing"].size:
        notes += (NO_SPACING,)
    matrix = np.eye(4)
    matrix[:3, :3] = directions * spacing
    matrix[:3, 3] = given["origin"][:3] if given["origin"].size else 0.0
    unit = header.first("DistanceUnits").lower()
    scale = _MM.get(unit, 1.0)
    if scale != 1:
        notes += (f"gives its lengths in {unit}, which were taken as {scale:g} mm each.",)
    matrix[:3] *= scale
    return matrix, notes


def _data(header: _Header) -> VoxelData:
    skipped = header.whole_numbers("HeaderSize") or [0]
    if len(skipped) > 1 or not -1 <= skipped[0] < 2**40:
        raise header.refusal("gives an impossible size of what comes before the voxels")
    files = _files(header)
    start = header.length if files == (header.path,) else 0
    if header.first("BinaryData") and not header.is_true("BinaryData"):
        return VoxelData(files, Encoding.TEXT, start)
    if header.is_true("CompressedData"):
        return VoxelData(files, Encoding.DEFLATE, start if start else max(0, skipped[0]))
    if skipped[0] == -1:
        return VoxelData(files, offset=None)
    return VoxelData(files, offset=start if start else skipped[0])


def _files(header: _Header) -> tuple[Path, ...]:
    """The files that hold the voxels: this one, one beside it, numbered ones, or a list."""
    name, folder = header.fields[_LAST], header.path.parent
    words = name.split()
    if name.upper() == "LOCAL":
        return (header.path,)
    if words[0].upper() == "LIST":
        files = listed_files(header.path, after=b"LIST", folder=folder)
    elif "%" in words[0] and len(words) >= 3:
        files = numbered_files(folder, words[0], [*words[1:], "1"][:3])
    else:
        files = (folder / name,)
    if not files:
        raise header.refusal("does not name the files of its voxels")
    return files
