"""Read the header of NIfTI-1, NIfTI-2 and Analyze 7.5 files, single or as a pair of .hdr and .img.

A header places its volume by its qform, by its sform, or by neither, and may contradict itself. ITK's reader is not
used: it fills missing voxels with zeros, turns NaN into 0, refuses the slightest shear, and says nothing where qform
and sform differ. Layouts: nifti1.h and nifti2.h of the NIfTI Data Format Working Group.
"""

from __future__ import annotations

import math
from dataclasses import dataclass
from enum import Enum
from pathlib import Path
from typing import Any, Literal

import numpy as np

from CSAFusionLib.errors import InputError
from CSAFusionLib.geometry.grid import corner_indices
from CSAFusionLib.volumes.stored_volume import Encoding, StoredVolume, VoxelData, head_of, is_gzip

_RAS_TO_LPS = np.diag([-1.0, -1.0, 1.0, 1.0])

# ITK accepts an sform as straight, with the spacing of pixdim, within these tolerances.
_ORTHONORMAL = 1e-4
_SAME_SPACING_MM = 1e-3

_AS_NIBABEL = "by the sform, else the qform, else with rows that run to anterior, as nibabel, FSL and SPM do"

# Two places of a corner that are nearer than this are the same.
_APART_MM = 0.1


class Orientation(Enum):
    """Which of a NIfTI header's orientations places the volume.

    ``header`` chooses between qform and sform as ITK and 3D Slicer do; ``nibabel`` takes the sform, else the qform,
    else assumes rows that run to anterior, as nibabel, FSL and SPM do.
    """

    HEADER = "header"
    SFORM = "sform"
    QFORM = "qform"
    NIBABEL = "nibabel"


@dataclass(frozen=True)
class Placement:
    """The (4, 4) matrix from voxel indices to LPS mm, and what the user must know about it."""

    lps: np.ndarray
    notes: tuple[str, ...]


def place(
    path: Path,
    size: tuple[int, int, int],
    *,
    spacing: np.ndarray,
    qfac: float,
    qform: tuple[np.ndarray, np.ndarray] | None,
    sform: np.ndarray | None,
    sform_is_scanner: bool,
    analyze_origin: np.ndarray | None,
    orientation: Orientation,
) -> Placement:
    """Choose between the orientations of a header.

    spacing: (3,) voxel sides in mm, NaN where unknown.
    qfac: 1, or -1 where k runs the other way.
    qform: quaternion b, c, d and offset in RAS mm; None for code 0.
    sform: (3, 4) in RAS mm; None for code 0. sform_is_scanner: its code is 1.
    analyze_origin: SPM's 1-based voxel of the origin in an Analyze header; None in NIfTI.

    If one of two forms is not a finite matrix, only the other is used.
    Raises InputError if the requested orientation is missing.
    """
    q = None if qform is None else _of_quaternion(*qform, spacing, qfac)
    s = None if sform is None else np.vstack([sform, [0.0, 0.0, 0.0, 1.0]])
    by_qform, by_sform = _usable(q, s), _usable(s, q)
    asked = {Orientation.SFORM: by_sform, Orientation.QFORM: by_qform}
    if orientation in asked:
        ras = asked[orientation]
        if ras is None:
            raise InputError(f"'{path}' has no {orientation.value} (its code is 0); choose another --orientation-from.")
        return _placed(ras, f"is placed by the {orientation.value}, as requested.")
    if orientation is Orientation.NIBABEL:
        found = next((ras for ras in (by_sform, by_qform) if ras is not None), None)
        ras = _of_neither(size, spacing, analyze_origin) if found is None else found
        return _placed(ras, f"is placed {_AS_NIBABEL}, as requested.")
    if by_qform is None and by_sform is None:
        return _unknown(spacing, is_analyze=analyze_origin is not None)
    return _chosen(size, spacing, by_qform, by_sform, sform_is_scanner)


def _usable(matrix: np.ndarray | None, other: np.ndarray | None) -> np.ndarray | None:
    """The matrix, or None if only the other one can be used."""
    if matrix is None or other is None or np.isfinite(matrix).all() or not np.isfinite(other).all():
        return matrix
    return None


def _placed(ras: np.ndarray, *notes: str) -> Placement:
    return Placement(_RAS_TO_LPS @ ras, notes)


def _chosen(
    size: tuple[int, int, int],
    spacing: np.ndarray,
    by_qform: np.ndarray | None,
    by_sform: np.ndarray | None,
    sform_is_scanner: bool,
) -> Placement:
    """As ITK 5.4 chooses; an sform that it refuses is used where there is no qform."""
    if by_sform is None:
        assert by_qform is not None
        return _placed(by_qform)
    if by_qform is None:
        lengths = np.linalg.norm(by_sform[:3, :3], axis=0)
        if np.nanmax(np.abs(lengths - spacing) * size, initial=0.0) <= _APART_MM:
            return _placed(by_sform)
        note = f"has voxels of {_listed(lengths)} mm by its sform, which is used, and {_listed(spacing)} by pixdim."
        return _placed(by_sform, note)
    apart = np.linalg.norm((corner_indices(size) @ (by_sform - by_qform).T)[:, :3], axis=1).max()
    takes_sform = apart <= _APART_MM or (sform_is_scanner and _is_straight(by_sform, spacing))
    ras, used, other = (by_sform, "sform", "qform") if takes_sform else (by_qform, "qform", "sform")
    if apart <= _APART_MM:
        return _placed(ras)
    note = (
        f"has a qform and an sform that differ by up to {_mm(apart)} mm; the {used} is used, and "
        f"--orientation-from {other} takes the other."
    )
    return _placed(ras, note)


def _is_straight(by_sform: np.ndarray, spacing: np.ndarray) -> bool:
    lengths = np.linalg.norm(by_sform[:3, :3], axis=0)
    if not np.isfinite(by_sform).all() or (np.abs(lengths - spacing) > _SAME_SPACING_MM).any() or lengths.min() <= 0:
        return False
    directions = by_sform[:3, :3] / lengths
    return bool(np.abs(directions @ directions.T - np.eye(3)).max() <= _ORTHONORMAL)


def _unknown(spacing: np.ndarray, *, is_analyze: bool) -> Placement:
    """ITK treats the axes of a header without orientation as LPS, with the first voxel at 0."""
    why = "is an Analyze file, which holds no orientation" if is_analyze else "holds no orientation (both codes are 0)"
    note = (
        f"{why}; its rows are assumed to run to posterior, as in 3D Slicer; nibabel, FSL and SPM assume that they run "
        f"to anterior, which is the mirror image (--orientation-from nibabel)."
    )
    return Placement(np.diag([*spacing, 1.0]), (note,))


def _of_neither(size: tuple[int, int, int], spacing: np.ndarray, analyze_origin: np.ndarray | None) -> np.ndarray:
    """As nibabel: columns run to left, rows to anterior, about SPM's origin or else the centre of the volume."""
    centre = (np.array(size) - 1) / 2
    if analyze_origin is not None and analyze_origin.any() and _is_within(analyze_origin, size):
        centre = analyze_origin - 1
    ras = np.diag([-spacing[0], spacing[1], spacing[2], 1.0])
    ras[:3, 3] = -ras[:3, :3] @ centre
    return ras


def _is_within(origin: np.ndarray, size: tuple[int, int, int]) -> bool:
    return bool((origin > -np.array(size)).all() and (origin < 2 * np.array(size)).all())


def _of_quaternion(vector: np.ndarray, offset: np.ndarray, spacing: np.ndarray, qfac: float) -> np.ndarray:
    """Method 2 of nifti1.h; a quaternion a little longer than 1 is shortened, as nifti1_io does."""
    b, c, d = vector
    rest = 1.0 - float(vector @ vector)
    a = np.sqrt(rest) if rest > 1e-7 else 0.0
    if a == 0.0:
        b, c, d = vector / np.linalg.norm(vector)
    rotation = np.array(
        [
            [a * a + b * b - c * c - d * d, 2 * (b * c - a * d), 2 * (b * d + a * c)],
            [2 * (b * c + a * d), a * a + c * c - b * b - d * d, 2 * (c * d - a * b)],
            [2 * (b * d - a * c), 2 * (c * d + a * b), a * a + d * d - b * b - c * c],
        ]
    )
    matrix = np.eye(4)
    matrix[:3, :3] = rotation * spacing * [1.0, 1.0, qfac]
    matrix[:3, 3] = offset
    return matrix


def _listed(lengths: np.ndarray) -> str:
    return " x ".join(f"{length:.4g}" for length in lengths)


def _mm(distance: float) -> str:
    return f"{distance:.1f}" if distance < 1000 else f"{distance:.0f}"


HEAD = 540
"""Bytes of the longest header, NIfTI-2's."""

_NIFTI_1 = {
    "dim": (40, "8i2"),
    "intent_code": (68, "i2"),
    "datatype": (70, "i2"),
    "bitpix": (72, "i2"),
    "pixdim": (76, "8f4"),
    "vox_offset": (108, "f4"),
    "scl_slope": (112, "f4"),
    "scl_inter": (116, "f4"),
    "xyzt_units": (123, "u1"),
    "qform_code": (252, "i2"),
    "sform_code": (254, "i2"),
    "toffset": (136, "f4"),
    "quatern": (256, "3f4"),
    "qoffset": (268, "3f4"),
    "srow": (280, "(3,4)f4"),
    # In Analyze, SPM's origin: five numbers at the byte where NIfTI has its codes.
    "origin": (253, "3i2"),
}
_NIFTI_2 = {
    "dim": (16, "8i8"),
    "intent_code": (504, "i4"),
    "datatype": (12, "i2"),
    "bitpix": (14, "i2"),
    "pixdim": (104, "8f8"),
    "vox_offset": (168, "i8"),
    "scl_slope": (176, "f8"),
    "scl_inter": (184, "f8"),
    "xyzt_units": (500, "i4"),
    "qform_code": (344, "i4"),
    "sform_code": (348, "i4"),
    "toffset": (224, "f8"),
    "quatern": (352, "3f8"),
    "qoffset": (376, "3f8"),
    "srow": (400, "(3,4)f8"),
}
# The first field, 348 or 540, in either byte order.
_STARTS = (b"\x5c\x01\x00\x00", b"\x00\x00\x01\x5c", b"\x1c\x02\x00\x00", b"\x00\x00\x02\x1c")
_MAGIC_2 = b"\r\n\x1a\n"

# Code of a number type: its name in NumPy, and the components of a voxel.
_TYPES = {
    2: ("u1", 1),
    4: ("i2", 1),
    8: ("i4", 1),
    16: ("f4", 1),
    64: ("f8", 1),
    128: ("u1", 3),
    256: ("i1", 1),
    512: ("u2", 1),
    768: ("u4", 1),
    1024: ("i8", 1),
    1280: ("u8", 1),
    2304: ("u1", 4),
}
_REFUSED_TYPES = {
    1: "single bits",
    32: "complex numbers",
    1536: "128-bit floats",
    1792: "complex numbers",
    2048: "complex numbers",
}
_DISPLACEMENTS = 1006
_MM = {1: 1000.0, 2: 1.0, 3: 0.001}
_SECONDS = {8: 1.0, 16: 1e-3, 24: 1e-6}


@dataclass(frozen=True)
class _Header:
    """The fields of a header by name; ``kind`` is "single", "pair" or "analyze"."""

    path: Path
    fields: Any
    byte_order: Literal["<", ">"]
    kind: str

    def numbers(self, name: str) -> np.ndarray:
        """One field as float64."""
        return np.asarray(self.fields[name], np.float64)

    def whole(self, name: str) -> int:
        """One field as an int."""
        return int(self.fields[name])


def is_nifti(head: bytes) -> bool:
    """Tell by the first 540 bytes, decompressed, whether a file is a NIfTI or an Analyze header."""
    return head[:4] in _STARTS


def read_nifti(path: Path, orientation: Orientation = Orientation.HEADER) -> StoredVolume:
    """Read the header of a NIfTI or Analyze file, or of a pair by either of its files.

    orientation: which of the header's orientations places the volume.
    Raises InputError, which names the file, if the header is damaged, contradicts itself, does not describe a 3-D
    volume or lacks the requested orientation, if the number type is unsupported, or if one file of a pair is missing.
    """
    header = _parse(_header_file(path), path)
    size, vectors, series = _sizes(header)
    number_type, components = _number_type(header)
    if components > 1 and vectors > 1:
        raise InputError(f"'{path}' has {vectors} colours in each voxel; extract one of them first.")
    placement = _placement(header, size, orientation)
    return StoredVolume(
        path=path,
        size=size,
        number_type=number_type,
        affine=placement.lps,
        data=_data(header),
        components=max(components, vectors),
        component_axis=0 if components > 1 else 3,
        scaling=_scaling(header) if components == 1 else None,
        series=series,
        seconds_apart=_seconds(header, float(header.numbers("pixdim")[4])),
        first_second=_seconds(header, float(header.fields["toffset"])),
        notes=placement.notes,
    )


def intent_of(path: Path) -> int:
    """Return the code by which a NIfTI file says what its numbers are; InputError for a damaged header."""
    return _parse(_header_file(path), path).whole("intent_code")


def _header_file(path: Path) -> Path:
    if ".img" not in [suffix.lower() for suffix in path.suffixes[-2:]]:
        return path
    header = _partner(path, ".hdr")
    if header is None:
        raise InputError(f"'{path}' lacks the .hdr file of the same name that describes it; copy it beside this one.")
    return header


def _partner(path: Path, extension: str) -> Path | None:
    """The other file of a pair, gzipped or not, whatever the case of its extension; None where there is none."""
    bare = path.name[: -len(path.suffix)] if path.suffix.lower() == ".gz" else path.name
    stem = bare[: bare.rfind(".")]
    for name in (stem + extension, stem + extension.upper()):
        for ending in ("", ".gz", ".GZ"):
            if path.with_name(name + ending).is_file():
                return path.with_name(name + ending)
    return None


def _parse(file: Path, path: Path) -> _Header:
    head = head_of(file, HEAD)
    if not is_nifti(head):
        raise InputError(f"'{path}' is not a NIfTI file, or its header is damaged; export the volume again.")
    byte_order: Literal["<", ">"] = "<" if head[0] else ">"
    is_second = int.from_bytes(head[:4], "little" if head[0] else "big") == HEAD
    magic = head[4:12] if is_second else head[344:348]
    kind = {b"n+": "single", b"ni": "pair"}.get(magic[:2], "analyze")
    if len(head) < (HEAD if is_second else 348) or (is_second and (kind == "analyze" or magic[4:] != _MAGIC_2)):
        raise InputError(f"'{path}' has a damaged NIfTI header; copy or export it again.")
    layout = _NIFTI_2 if is_second else _NIFTI_1
    record = np.dtype(
        {
            "names": list(layout),
            "formats": [np.dtype(form).newbyteorder(byte_order) for _, form in layout.values()],
            "offsets": [place for place, _ in layout.values()],
        }
    )
    return _Header(path, np.frombuffer(head, record, 1)[0], byte_order, kind)


def _sizes(header: _Header) -> tuple[tuple[int, int, int], int, int]:
    """Voxels along i, j, k, the numbers of each voxel along the fifth dimension, and the volumes along the fourth."""
    count, *lengths = (int(number) for number in header.fields["dim"])
    path = header.path
    # Analyze files give the time as 0 where there is none.
    lengths[3:] = [length or 1 for length in lengths[3:]]
    if not 1 <= count <= 7 or any(length < 1 for length in lengths[:count]):
        raise InputError(f"'{path}' has a header with impossible dimensions; it is damaged, so export it again.")
    lengths[count:] = [1] * (7 - count)
    if count < 3:
        raise InputError(f"'{path}' is a 2-D image; give a 3-D volume.")
    if lengths[3] > 1 and lengths[4] > 1:
        raise InputError(f"'{path}' is a series of {lengths[3]} volumes (4-D); extract one 3-D volume from it first.")
    if lengths[5] * lengths[6] > 1:
        raise InputError(f"'{path}' has more than 5 dimensions; extract one 3-D volume from it first.")
    return (lengths[0], lengths[1], lengths[2]), lengths[4], lengths[3]


def _number_type(header: _Header) -> tuple[np.dtype[Any], int]:
    code, bits = header.whole("datatype"), header.whole("bitpix")
    if code in _REFUSED_TYPES:
        raise InputError(f"'{header.path}' holds {_REFUSED_TYPES[code]}; save it as integers or 32-bit floats.")
    if code not in _TYPES:
        raise InputError(f"'{header.path}' has an unknown number type ({code}); its header is damaged.")
    name, components = _TYPES[code]
    number_type = np.dtype(name).newbyteorder(header.byte_order)
    if bits not in (0, 8 * number_type.itemsize * components):
        raise InputError(
            f"'{header.path}' has a header that contradicts itself ({bits} bits in a voxel of number type {code}); "
            f"it is damaged, so export the volume again."
        )
    if header.whole("intent_code") == _DISPLACEMENTS and header.kind != "analyze":
        raise InputError(f"'{header.path}' holds displacements, not intensities; give a volume.")
    return number_type, components


def _placement(header: _Header, size: tuple[int, int, int], orientation: Orientation) -> Placement:
    pixdim = header.numbers("pixdim")
    coded = header.kind != "analyze"
    unit = _MM.get(header.whole("xyzt_units") & 7, 1.0) if coded else 1.0
    return place(
        header.path,
        size,
        spacing=_spacing(pixdim[1:4], size) * unit,
        qfac=-1.0 if pixdim[0] < 0 else 1.0,
        qform=(header.numbers("quatern"), header.numbers("qoffset") * unit) if coded and _code(header, "q") else None,
        sform=header.numbers("srow") * unit if coded and _code(header, "s") else None,
        sform_is_scanner=_code(header, "s") == 1,
        analyze_origin=None if coded else header.numbers("origin"),
        orientation=orientation,
    )


def _seconds(header: _Header, value: float) -> float:
    """A time along the fourth dimension; 0 where the header does not say that it is one."""
    unit = 0.0 if header.kind == "analyze" else _SECONDS.get(header.whole("xyzt_units") & 0x38, 0.0)
    return value * unit if math.isfinite(value) else 0.0


def _spacing(pixdim: np.ndarray, size: tuple[int, int, int]) -> np.ndarray:
    """Voxel sides, NaN where the header does not give them; a missing side of a single slice is 1."""
    known = np.where(np.isfinite(pixdim) & (pixdim != 0), np.abs(pixdim), np.nan)
    return np.where(np.isnan(known) & (np.array(size) == 1), 1.0, known)


def _code(header: _Header, form: str) -> int:
    return max(0, header.whole(f"{form}form_code"))


def _scaling(header: _Header) -> tuple[float, float] | None:
    """Slope and intercept, None where they change nothing; a slope of 0 or NaN means that there are none."""
    slope = float(header.fields["scl_slope"])
    intercept = float(header.fields["scl_inter"]) if header.kind != "analyze" else 0.0
    if slope == 0 or not math.isfinite(slope) or (slope, intercept) == (1, 0):
        return None
    if not math.isfinite(intercept):
        raise InputError(f"'{header.path}' has an intercept that is not finite; correct its header.")
    return slope, intercept


def _data(header: _Header) -> VoxelData:
    offset = float(header.fields["vox_offset"])
    path = header.path
    if not math.isfinite(offset) or (header.kind != "analyze" and offset < 0) or abs(offset) > 2**40:
        raise InputError(f"'{path}' has a header with an impossible offset of its voxels; it is damaged.")
    if header.kind == "single":
        file, least = path, 352 if "origin" in header.fields.dtype.names else 544
        offset = max(offset, least)
    else:
        found = path if _is_image_file(path) else _partner(path, ".img")
        if found is None:
            raise InputError(f"'{path}' lacks the .img file of the same name that holds its voxels; copy it beside it.")
        file = found
    if is_gzip(file):
        return VoxelData((file,), Encoding.DEFLATE, skip=int(abs(offset)))
    return VoxelData((file,), offset=int(abs(offset)))


def _is_image_file(path: Path) -> bool:
    return ".img" in [suffix.lower() for suffix in path.suffixes[-2:]]
