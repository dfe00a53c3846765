"""Read the header of NRRD files, with their voxels in the same file or beside it.

ITK's reader is not used for them: a damaged header can crash it, and it ignores units. The format:
https://teem.sourceforge.net/nrrd/format.html.
"""

from __future__ import annotations

import math
import re
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np

from CSAFusionLib.errors import InputError
from CSAFusionLib.volumes.input_path import listed_files, numbered_files
from CSAFusionLib.volumes.stored_volume import NO_ORIENTATION, NO_SPACING, Encoding, StoredVolume, VoxelData

MAGIC = b"NRRD00"
_LONGEST_HEADER = 1 << 24

_TYPES = {
    "i1": "signed char, int8, int8_t",
    "u1": "uchar, unsigned char, uint8, uint8_t",
    "i2": "short, short int, signed short, signed short int, int16, int16_t",
    "u2": "ushort, unsigned short, unsigned short int, uint16, uint16_t",
    "i4": "int, signed int, int32, int32_t",
    "u4": "uint, unsigned int, uint32, uint32_t",
    "i8": "longlong, long long, long long int, signed long long, signed long long int, int64, int64_t",
    "u8": "ulonglong, unsigned long long, unsigned long long int, uint64, uint64_t",
    "f4": "float",
    "f8": "double",
}
_NUMBER_TYPES = {name: code for code, names in _TYPES.items() for name in names.split(", ")}
_ENCODINGS = {
    "raw": Encoding.RAW,
    "txt": Encoding.TEXT,
    "text": Encoding.TEXT,
    "ascii": Encoding.TEXT,
    "hex": Encoding.HEXADECIMAL,
    "gz": Encoding.DEFLATE,
    "gzip": Encoding.DEFLATE,
    "bz2": Encoding.BZIP2,
    "bzip2": Encoding.BZIP2,
}
# The signs that take a vector of the named space to LPS.
_TO_LPS = {
    "right-anterior-superior": (-1, -1, 1),
    "left-anterior-superior": (1, -1, 1),
    "left-posterior-superior": (1, 1, 1),
    "ras": (-1, -1, 1),
    "las": (1, -1, 1),
    "lps": (1, 1, 1),
}
_MM = {"mm": 1.0, "cm": 10.0, "m": 1000.0, "um": 1e-3, "µm": 1e-3, "micron": 1e-3, "microns": 1e-3}
_OF_SPACE = ("domain", "space", "time")
_COLOURS = ("rgb-color", "3-color", "rgba-color", "4-color")
_ONE_NUMBER_EACH = ("list", "point", "hsv-color", "xyz-color", "complex", "quaternion", "normal", "gradient")
# One axis of "space directions": a vector in parentheses, or none.
_VECTOR = re.compile(r"\(([^()]*)\)|(none)", re.IGNORECASE)


@dataclass(frozen=True)
class _Header:
    """The fields of a header by name, in lower case, and the length of the header in bytes."""

    path: Path
    fields: dict[str, str]
    length: int

    def refusal(self, what: str) -> InputError:
        return InputError(f"'{self.path}' has an NRRD header that {what}; correct it or export the volume again.")

    def words(self, field: str) -> list[str]:
        return self.fields.get(field, "").split()


@dataclass(frozen=True)
class _Axes:
    """The spatial axes, the axis of the numbers of one voxel, if any, and the volumes along the slowest axis."""

    space: tuple[int, int, int]
    components: int | None
    series: int = 1


def read_nrrd(path: Path) -> StoredVolume:
    """Read the header of a .nrrd or .nhdr file.

    Raises InputError, which names the file, if the header is damaged, contradicts itself or does not describe a 3-D
    volume, if the number type or the encoding is unsupported, or if a voxel has several numbers that are not a colour.
    """
    header = _parse(path)
    sizes = _whole_numbers(header, "sizes")
    dimension = _whole_numbers(header, "dimension")
    if dimension != [len(sizes)] or min(sizes, default=0) < 1:
        raise header.refusal("gives impossible sizes")
    axes = _axes(header, sizes)
    affine, notes = _affine(header, axes)
    components = 1 if axes.components is None else sizes[axes.components]
    first, second, third = (sizes[axis] for axis in axes.space)
    return StoredVolume(
        path=path,
        size=(first, second, third),
        number_type=_number_type(header),
        affine=affine,
        data=_data(header, sizes),
        components=components,
        component_axis=0
        if components == 1 or axes.components is None
        else sum(axis < axes.components for axis in axes.space),
        series=axes.series,
        notes=notes,
    )


def _parse(path: Path) -> _Header:
    with path.open("rb") as stream:
        text = stream.read(_LONGEST_HEADER)
    end = re.search(rb"\r?\n\r?\n", text)
    length = end.end() if end else len(text)
    if not text.startswith(MAGIC) or (end is None and len(text) == _LONGEST_HEADER):
        raise InputError(f"'{path}' has a damaged NRRD header; copy or export it again.")
    fields: dict[str, str] = {}
    for line in text[:length].decode("utf-8", "replace").splitlines()[1:]:
        name, colon, value = line.partition(":")
        # "key:=value" is user data; a line with neither is a comment or damage.
        if colon and not line.startswith("#") and not value.startswith("="):
            fields[name.strip().lower()] = value.strip()
    return _Header(path, {name.replace("datafile", "data file"): value for name, value in fields.items()}, length)


def _whole_numbers(header: _Header, field: str) -> list[int]:
    try:
        return [int(word) for word in header.words(field)]
    except ValueError as error:
        raise header.refusal(f"has no whole numbers in its field '{field}'") from error


def _number_type(header: _Header) -> np.dtype[Any]:
    name = " ".join(header.words("type")).lower()
    if name not in _NUMBER_TYPES:
        raise header.refusal(f"gives a number type that cannot be used ('{name}')")
    number_type = np.dtype(_NUMBER_TYPES[name])
    order = header.fields.get("endian", "").lower()
    is_bytes = _encoding(header) is not Encoding.TEXT
    if is_bytes and number_type.itemsize > 1 and order not in ("little", "big"):
        raise header.refusal("does not give its byte order ('endian')")
    return number_type.newbyteorder(">" if order == "big" and is_bytes else "<")


def _encoding(header: _Header) -> Encoding:
    name = header.fields.get("encoding", "").lower()
    if name not in _ENCODINGS:
        raise header.refusal(f"gives an encoding that cannot be used ('{name}')")
    return _ENCODINGS[name]


def _axes(header: _Header, sizes: list[int]) -> _Axes:
    """Distinguish the axes by their directions, else by their kinds; a surplus axis of length 1 is dropped."""
    kinds = [kind.lower() for kind in header.words("kinds")] or ["domain"] * len(sizes)
    directions = _vectors(header, "space directions")
    if len(kinds) != len(sizes) or (directions and len(directions) != len(sizes)):
        raise header.refusal("does not have as many kinds or directions as sizes")
    if directions:
        inside = [axis for axis, vector in enumerate(directions) if vector is not None]
    else:
        inside = [axis for axis, kind in enumerate(kinds) if kind in (*_OF_SPACE, "???", "none")]
    others = [axis for axis in range(len(sizes)) if axis not in inside]
    while len(inside) > 3 and sizes[inside[-1]] == 1:
        others.append(inside.pop())
    series = 1
    if len(inside) == 4 and inside[3] == len(sizes) - 1:
        series = sizes[inside.pop()]
    if len(inside) > 3:
        raise InputError(
            f"'{header.path}' is a series of {sizes[inside[3]]} volumes (4-D); extract one 3-D volume from it first."
        )
    if len(inside) < 3:
        raise InputError(f"'{header.path}' is a 2-D image; give a 3-D volume.")
    several = [axis for axis in others if sizes[axis] > 1]
    if len(several) > 1:
        raise header.refusal("has several axes that are not spatial")
    if several:
        _check_kind(header, kinds[several[0]], sizes[several[0]])
    return _Axes((inside[0], inside[1], inside[2]), several[0] if several else None, series)


def _check_kind(header: _Header, kind: str, count: int) -> None:
    if kind in _COLOURS or not any(kind.endswith(known) for known in _ONE_NUMBER_EACH):
        return
    raise InputError(
        f"'{header.path}' holds {count} numbers in each voxel, which its header calls a '{kind}'; give a scalar "
        "volume or an RGB one."
    )


def _vectors(header: _Header, field: str) -> list[np.ndarray | None]:
    """The vectors of a field, None for "none", which an axis outside space has; empty without the field."""
    found = _VECTOR.findall(header.fields.get(field, ""))
    return [None if none else _floats(header, numbers.replace(",", " ").split()) for numbers, none in found]


def _in_space(header: _Header, vector: np.ndarray | None) -> np.ndarray:
    """A vector without the time component of a space with time."""
    if vector is None or len(vector) < 3:
        raise header.refusal("gives a vector that is not in space")
    return vector[:3]


def _floats(header: _Header, words: list[str]) -> np.ndarray:
    try:
        return np.array([float(word) for word in words])
    except ValueError as error:
        raise header.refusal(f"has no numbers where they are needed ('{' '.join(words)[:40]}')") from error


def _affine(header: _Header, axes: _Axes) -> tuple[np.ndarray, tuple[str, ...]]:
    """The matrix to LPS mm, and notes on what the header leaves open."""
    matrix = np.eye(4)
    notes: tuple[str, ...] = ()
    directions = _vectors(header, "space directions")
    if directions:
        matrix[:3, :3] = np.stack([_in_space(header, directions[axis]) for axis in axes.space], axis=1)
        origin = _vectors(header, "space origin")
        matrix[:3, 3] = _in_space(header, origin[0]) if origin else 0.0
    else:
        spacing, first = _along_axes(header, axes)
        if np.isnan(spacing).any():
            notes += (NO_SPACING,)
            spacing = np.where(np.isnan(spacing), 1.0, spacing)
        matrix[:3, :3], matrix[:3, 3] = np.diag(spacing), first
    space = header.fields.get("space", "").lower().removesuffix("-time").removesuffix("t")
    signs = _TO_LPS.get(space)
    if signs is None or not directions:
        notes += (NO_ORIENTATION,)
    scale, of_units = _scale(header)
    matrix[:3] *= scale
    return np.diag([*(signs or (1, 1, 1)), 1.0]) @ matrix, notes + of_units


def _along_axes(header: _Header, axes: _Axes) -> tuple[np.ndarray, np.ndarray]:
    """Spacing, NaN where it is not given, and position of the first voxel, as in ITK, without directions."""
    count = len(header.words("sizes"))
    given = {name: _floats(header, header.words(name)) for name in ("spacings", "axis mins", "axismins")}
    mins = given["axis mins"] if given["axis mins"].size else given["axismins"]
    for values in (given["spacings"], mins):
        if values.size not in (0, count):
            raise header.refusal("does not have as many spacings or minima as sizes")
    spacing = given["spacings"][list(axes.space)] if given["spacings"].size else np.full(3, np.nan)
    first = mins[list(axes.space)] + spacing / 2 if mins.size else np.zeros(3)
    return spacing, np.where(np.isnan(first), 0.0, first)


def _scale(header: _Header) -> tuple[float, tuple[str, ...]]:
    units = set(re.findall(r'"([^"]*)"', header.fields.get("space units", "")))
    unit = units.pop().strip().lower() if len(units) == 1 else ""
    scale = _MM.get(unit, 1.0)
    return scale, () if scale == 1 else (f"gives its lengths in {unit}, which were taken as {scale:g} mm each.",)


def _data(header: _Header, sizes: list[int]) -> VoxelData:
    encoding = _encoding(header)
    name = header.fields.get("data file", "")
    files, start = ((header.path,), header.length) if not name else (_files(header, name, sizes), 0)
    line_skip, byte_skip = (_skip(header, field) for field in ("line", "byte"))
    if line_skip:
        if len(files) > 1:
            raise header.refusal("skips lines of several files, which cannot be read")
        start = _after_lines(header, files[0], start, line_skip)
    if byte_skip == -1 and encoding is Encoding.RAW:
        return VoxelData(files, encoding, offset=None)
    if byte_skip < 0:
        raise header.refusal("skips a negative number of bytes")
    return VoxelData(files, encoding, start, byte_skip)


def _skip(header: _Header, what: str) -> int:
    numbers = _whole_numbers(header, f"{what} skip") or _whole_numbers(header, f"{what}skip")
    if len(numbers) > 1 or any(abs(number) > 2**40 for number in numbers):
        raise header.refusal(f"gives an impossible '{what} skip'")
    return numbers[0] if numbers else 0


def _after_lines(header: _Header, file: Path, start: int, lines: int) -> int:
    if lines < 0:
        raise header.refusal("skips a negative number of lines")
    if not file.is_file():
        return start
    with file.open("rb") as stream:
        stream.seek(start)
        for _ in range(lines):
            if not stream.readline(_LONGEST_HEADER):
                raise header.refusal("skips more lines than there are")
        return stream.tell()


def _files(header: _Header, name: str, sizes: list[int]) -> tuple[Path, ...]:
    """The files that hold the voxels: one, numbered ones, or a list at the end of the header."""
    folder, words = header.path.parent, name.split()
    if words[0].upper() == "LIST":
        files = listed_files(header.path, after=b"LIST", folder=folder)
    elif len(words) >= 4 and "%" in words[0]:
        files = numbered_files(folder, words[0], words[1:4])
    else:
        files = (folder / name,)
    if not files or math.prod(sizes) % len(files):
        raise header.refusal("does not name the files of its voxels")
    return files
