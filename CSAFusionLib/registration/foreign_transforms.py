"""The transform formats of other programs, each read as one from fixed to moving points, LPS mm.

- A bare 4 x 4 matrix as text, which does not say what wrote it: FSL's FLIRT, or Greedy, NiftyReg and c3d.
- FreeSurfer's linear transforms (.lta): a matrix from source (moving) to destination (fixed), and both grids.
- Displacement fields in volume files: those of ANTs, Greedy and ITK in LPS mm, and FNIRT's in FSL's millimetres.
- Transforms of 3D Slicer that ITK does not know: deformations whose inverse is what the file means, and splines.

Some mean nothing without the two volumes between which they were found: the frames.
"""

from __future__ import annotations

import re
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import SimpleITK as sitk

from CSAFusionLib.errors import InputError
from CSAFusionLib.files.temporary import OwnedFolder
from CSAFusionLib.geometry.grid import LPS_TO_RAS, corner_indices, ijk_to_lps, ijk_to_ras
from CSAFusionLib.registration.registration import MatrixKind
from CSAFusionLib.registration.transforms import inverse_of, read_transform
from CSAFusionLib.volumes.dicom.headers import is_dicom
from CSAFusionLib.volumes.metaimage import read_metaimage
from CSAFusionLib.volumes.nifti import Orientation, intent_of, read_nifti
from CSAFusionLib.volumes.nrrd import read_nrrd
from CSAFusionLib.volumes.reading import Format, format_of
from CSAFusionLib.volumes.stored_volume import StoredVolume, one_of, to_image


class Unusable(ValueError):
    """What is wrong with a transform file and what to do, as the end of a sentence that begins with its name."""


@dataclass(frozen=True)
class Frame:
    """The grid of one of the two volumes, and the file it was read from; None for an image that is only in memory."""

    image: sitk.Image
    path: Path | None = None


@dataclass(frozen=True)
class Frames:
    """The fixed and the moving volume of a transform."""

    fixed: Frame
    moving: Frame

    def exchanged(self) -> Frames:
        """The same two volumes with their roles exchanged."""
        return Frames(self.moving, self.fixed)


def lps_to_fsl(frame: Frame) -> np.ndarray:
    """Return the (4, 4) matrix from LPS mm to FSL's coordinates of a volume.

    FSL counts millimetres along the axes of the file, from its first voxel, and reverses the first axis if the file is
    stored "neurologically" (its matrix to RAS has a positive determinant).

    Raises InputError for a file that is not NIfTI: its voxels may be in another order than in the NIfTI file FSL saw.
    """
    spacing = np.array(frame.image.GetSpacing())
    ijk_to_fsl = np.diag([*spacing, 1.0])
    if _is_neurological(frame):
        ijk_to_fsl[0] = [-spacing[0], 0.0, 0.0, (frame.image.GetSize()[0] - 1) * spacing[0]]
    found: np.ndarray = ijk_to_fsl @ np.linalg.inv(ijk_to_lps(frame.image))
    return found


def _is_neurological(frame: Frame) -> bool:
    if frame.path is None:
        return bool(np.linalg.det(ijk_to_ras(frame.image)[:3, :3]) > 0)
    if frame.path.is_dir() or is_dicom(frame.path) or format_of(frame.path) is not Format.NIFTI:
        raise InputError(
            f"An FSL transform counts voxels in the order of the NIfTI files it was found between, and '{frame.path}' "
            f"is no NIfTI file; name those files with --transform-fixed and --transform-moving."
        )
    # Of two orientations FSL also takes the sform; a file without one it takes for "radiological".
    to_lps = read_nifti(frame.path, Orientation.NIBABEL).affine
    return bool(np.linalg.det(to_lps[:3, :3]) > 0)


_MOST_TEXT = 4096

# FLIRT alone ends each number with two blanks.
_WRITTEN_BY_FLIRT = re.compile(r"\S+  \S+  \S+  \S+  \s*\n")


def parse_matrix(text: str) -> np.ndarray | None:
    """Return the (4, 4) matrix that a text holds and nothing else; None where it holds anything else."""
    rows = [line.split() for line in text[:_MOST_TEXT].splitlines() if line.strip()]
    if [len(row) for row in rows] != [4, 4, 4, 4]:
        return None
    try:
        matrix = np.array(rows, float)
    except ValueError:
        return None
    return matrix if np.allclose(matrix[3], [0, 0, 0, 1], atol=1e-6) else None


def is_written_by_flirt(text: str) -> bool:
    """Tell whether the numbers of a matrix are spaced as FLIRT spaces them, which no other program does."""
    return all(_WRITTEN_BY_FLIRT.fullmatch(line) for line in text.splitlines(keepends=True) if line.strip())


def matrix_to_lps(matrix: np.ndarray, kind: MatrixKind, frames: Frames) -> np.ndarray:
    """Return the (4, 4) matrix from fixed to moving points, LPS mm.

    Raises InputError for an FSL matrix between volumes that are no NIfTI files, LinAlgError for one without an inverse.
    """
    if kind is MatrixKind.RAS:
        return LPS_TO_RAS @ matrix @ LPS_TO_RAS
    to_moving = np.linalg.inv(lps_to_fsl(frames.moving))
    found: np.ndarray = to_moving @ np.linalg.inv(matrix) @ lps_to_fsl(frames.fixed)
    return found


_VOXELS, _RAS = 0, 1

# Grids are those of the two volumes when no corner is farther off; files keep five decimals.
_SAME_MM = 0.05


@dataclass(frozen=True)
class _Grid:
    """The grid of a volume as the file describes it."""

    size: tuple[int, int, int]
    ijk_to_ras: np.ndarray


@dataclass(frozen=True)
class _Lta:
    """What the file says; the matrix (4, 4) goes from source to destination."""

    kind: int
    matrix: np.ndarray
    source: _Grid | None
    destination: _Grid | None


def is_lta(text: str) -> bool:
    """Tell whether a text is a FreeSurfer transform."""
    return re.search(r"^type\s*=\s*\d+", text, re.MULTILINE) is not None and "volume info" in text


def read_lta(text: str, frames: Frames) -> tuple[np.ndarray, tuple[str, ...]]:
    """Return the (4, 4) matrix from fixed to moving points, LPS mm, and what the user must know of it.

    FreeSurfer's programs take the moving volume as source. Where the file's own grids say that it was the other way
    round, as mri_vol2vol does, the matrix is taken the other way round.

    Raises Unusable for a damaged file, several matrices, or coordinates other than voxels and RAS.
    """
    lta = _parse(text)
    to_destination = _in_ras(lta)
    grids, images = (lta.source, lta.destination), (frames.moving.image, frames.fixed.image)
    as_usual, turned = (all(map(_fits, grids, order)) for order in (images, images[::-1]))
    if turned and not as_usual:
        note = "goes from the fixed to the moving volume by the grids it names, and was taken so."
        return LPS_TO_RAS @ to_destination @ LPS_TO_RAS, (note,)
    return LPS_TO_RAS @ np.linalg.inv(to_destination) @ LPS_TO_RAS, ()


def _parse(text: str) -> _Lta:
    lines = [line.split("#")[0].strip() for line in text.splitlines()]
    lines = [line for line in lines if line]
    values = dict(part.split("=", 1) for part in lines if "=" in part)
    values = {name.strip(): value.strip() for name, value in values.items()}
    try:
        start = lines.index("1 4 4") + 1
        kind, count = int(values["type"]), int(values["nxforms"])
        matrix = np.array([line.split() for line in lines[start : start + 4]], float)
    except (ValueError, KeyError, IndexError) as error:
        raise Unusable("its header or its matrix is damaged; save it again with lta_convert") from error
    if count != 1:
        raise Unusable(f"it holds {count} matrices; save one of them")
    if matrix.shape != (4, 4) or not np.isfinite(matrix).all() or abs(np.linalg.det(matrix)) < 1e-9:
        raise Unusable("its matrix is damaged; save it again with lta_convert")
    return _Lta(kind, matrix, _grid(lines, "src volume info"), _grid(lines, "dst volume info"))


def _grid(lines: list[str], title: str) -> _Grid | None:
    """The grid below a title; None if it is missing or marked as not valid."""
    if title not in lines:
        return None
    values: dict[str, str] = {}
    for line in lines[lines.index(title) + 1 :]:
        name, _, value = line.partition("=")
        if line.endswith("volume info") or name.strip() in values:
            break
        values[name.strip()] = value.strip()
    if values.get("valid", "0").split()[0] != "1":
        return None
    try:
        size = np.array(values["volume"].split(), int)
        spacing = np.array(values["voxelsize"].split(), float)
        directions = np.stack([np.array(values[f"{axis}ras"].split(), float) for axis in "xyz"], axis=1)
        centre = np.array(values["cras"].split(), float)
        matrix = np.eye(4)
        matrix[:3, :3] = directions * spacing
        # The voxel of index size / 2 lies at cras.
        matrix[:3, 3] = centre - matrix[:3, :3] @ (size / 2)
    except (KeyError, ValueError) as error:
        raise Unusable(f"its {title} is damaged; save it again with lta_convert") from error
    return _Grid((int(size[0]), int(size[1]), int(size[2])), matrix)


def _in_ras(lta: _Lta) -> np.ndarray:
    if lta.kind == _RAS:
        return lta.matrix
    if lta.kind != _VOXELS:
        raise Unusable(f"its coordinates are of type {lta.kind}; convert it with lta_convert --outlta (RAS to RAS)")
    if lta.source is None or lta.destination is None:
        raise Unusable("it goes from voxels to voxels and does not say of which volumes; save it as RAS to RAS")
    found: np.ndarray = lta.destination.ijk_to_ras @ lta.matrix @ np.linalg.inv(lta.source.ijk_to_ras)
    return found


def _fits(grid: _Grid | None, image: sitk.Image) -> bool:
    if grid is None or grid.size != image.GetSize():
        return False
    apart = corner_indices(grid.size) @ (grid.ijk_to_ras - ijk_to_ras(image)).T
    return bool(np.linalg.norm(apart[:, :3], axis=1).max() <= _SAME_MM)


# FSL's codes for coefficients of cubic splines, of cosines, and of quadratic splines.
_COEFFICIENTS = (2007, 2008, 2009, 2016)


def read_field(path: Path, frames: Frames) -> tuple[sitk.Transform, str]:
    """Read a field on the fixed volume's side; returns it and what wrote it.

    ITK, and what is built on it, writes displacements in LPS mm as three numbers in each voxel; FSL writes
    displacements or places in its own millimetres, as three volumes (4-D).

    Raises Unusable for a file with anything but three finite numbers in each voxel, and for coefficients of FNIRT's,
    InputError for a damaged file.
    """
    stored = _stored(path)
    if stored.series == 3 and stored.components == 1:
        if format_of(path) is Format.NIFTI and intent_of(path) in _COEFFICIENTS:
            raise Unusable(
                "it holds FNIRT's coefficients; write the field with fnirt --fout or convertwarp, and give that"
            )
        images = [to_image(one_of(stored, number))[0] for number in (1, 2, 3)]
        vectors = np.stack([sitk.GetArrayFromImage(image) for image in images], axis=-1).astype(float)
        return to_lps_field(vectors, images[0], frames), "FSL field"
    if stored.series > 1 or stored.components != 3:
        raise Unusable("it is a volume and no field of displacements; give a transform file")
    image, _ = to_image(stored)
    return _transform_of(sitk.GetArrayFromImage(image), image), "displacement field"


def to_lps_field(vectors: np.ndarray, placed: sitk.Image, frames: Frames) -> sitk.Transform:
    """Return the transform of one of FNIRT's fields, which takes fixed to moving points in FSL's coordinates.

    vectors: (K, J, I, 3) mm, displacements, or places where they are those of the moving volume themselves.
    placed: an image on the field's grid, which is one of the fixed volume's.
    """
    field = Frame(placed, frames.fixed.path)
    k, j, i = np.indices(vectors.shape[:3])
    indices = np.stack([i, j, k, np.ones_like(i)], axis=-1).astype(float)
    starts = indices @ ijk_to_lps(placed).T
    in_fsl = (starts @ lps_to_fsl(field).T)[..., :3]
    ends = vectors if _are_places(vectors, in_fsl) else in_fsl + vectors
    to_lps = np.linalg.inv(lps_to_fsl(frames.moving))
    return _transform_of(ends @ to_lps[:3, :3].T + to_lps[:3, 3] - starts[..., :3], placed)


def _are_places(vectors: np.ndarray, points: np.ndarray) -> bool:
    """Whether vectors are places rather than displacements: places vary as the points do."""
    return bool(np.std(vectors - points, axis=(0, 1, 2)).sum() < np.std(vectors, axis=(0, 1, 2)).sum())


def _stored(path: Path) -> StoredVolume:
    found = format_of(path)
    if found is Format.NIFTI:
        return read_nifti(path)
    return read_nrrd(path) if found is Format.NRRD else read_metaimage(path)


def _transform_of(vectors: np.ndarray, placed: sitk.Image) -> sitk.Transform:
    if not np.isfinite(vectors).all():
        raise Unusable("it holds displacements that are not finite; give another transform")
    field = sitk.GetImageFromArray(np.ascontiguousarray(vectors, np.float64), isVector=True)
    field.CopyInformation(placed)
    return sitk.DisplacementFieldTransform(field)


# Slicer writes a deformation that was defined from the moving to the fixed volume under these names.
_INVERSES = re.compile(rb"Inverse((?:DisplacementField|BSpline)Transform_\w+_3_3)")
_SPLINE = b"ThinPlateSpline"
_COMPOSITE = b"CompositeTransform"


def read_inverse(path: Path) -> tuple[sitk.Transform, float] | None:
    """Read an inverse deformation of Slicer's; None for a file that ITK reads by itself.

    Returns it with how far off it is at most, in mm.

    Raises Unusable for a thin-plate spline and for an inverse among other transforms, InputError for a damaged file.
    """
    content = path.read_bytes()
    if _SPLINE in content:
        raise Unusable("it is a thin-plate spline; convert it to a grid in Slicer's module Transforms and save that")
    found = _INVERSES.findall(content)
    if not found:
        return None
    if len(found) > 1 or _COMPOSITE in content:
        raise Unusable("it holds inverse deformations among others; convert it to a grid in Slicer's module Transforms")
    with OwnedFolder() as folder:
        forward = folder / f"forward{path.suffix.lower()}"
        # HDF5 keeps the length of a name: null bytes end it sooner.
        padding = b"" if path.suffix.lower() in (".tfm", ".txt") else b"\0" * len(b"Inverse")
        forward.write_bytes(_INVERSES.sub(lambda match: match.group(1) + padding, content))
        transform = read_transform(forward)
    return inverse_of(transform, _domain(transform))


def _domain(transform: sitk.Transform) -> sitk.Image:
    """The grid of a displacement field, or one over the domain of a B-spline."""
    known = transform.Downcast()
    if isinstance(known, sitk.DisplacementFieldTransform):
        field: sitk.Image = known.GetDisplacementField()
        return field
    size = known.GetTransformDomainMeshSize()
    grid = sitk.Image([cells + 1 for cells in size], sitk.sitkUInt8)
    sides = known.GetTransformDomainPhysicalDimensions()
    grid.SetSpacing([side / cells for side, cells in zip(sides, size, strict=True)])
    grid.SetOrigin(known.GetTransformDomainOrigin())
    grid.SetDirection(known.GetTransformDomainDirection())
    return grid
