"""A transform that is given: read, whatever wrote it, as one from fixed to moving points (LPS mm), and used.

- Formats are told apart by content.
- It takes the place of a registration, or starts one, or resamples another volume.
"""

from __future__ import annotations

import hashlib
import os
from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace
from enum import Enum
from pathlib import Path

import numpy as np
import SimpleITK as sitk

from CSAFusionLib import checks
from CSAFusionLib.errors import InputError
from CSAFusionLib.geometry.field_of_view import resample_to_grid
from CSAFusionLib.geometry.grid import ijk_to_lps, lowest_value, set_ijk_to_lps
from CSAFusionLib.geometry.transform_algebra import affine_of, as_affine, as_rigid, linear_matrix
from CSAFusionLib.intensity.voxel_values import own_values, within_float32
from CSAFusionLib.progress import Progress, silent
from CSAFusionLib.registration.foreign_transforms import (
    Frame,
    Frames,
    Unusable,
    is_lta,
    is_written_by_flirt,
    matrix_to_lps,
    parse_matrix,
    read_field,
    read_inverse,
    read_lta,
)
from CSAFusionLib.registration.preparation import overlap
from CSAFusionLib.registration.register import RegistrationRun
from CSAFusionLib.registration.registration import MatrixKind, Method, Registration, RegistrationMasks, TransformModel
from CSAFusionLib.registration.transforms import inverse_of, read_transform
from CSAFusionLib.volumes.input_path import check_input_path
from CSAFusionLib.volumes.reading import format_of
from CSAFusionLib.volumes.volume import Volume, in_whole_numbers


class TransformFormat(Enum):
    """The format of a transform file; each value is its name in a summary."""

    ITK = "ITK"
    LTA = "FreeSurfer LTA"
    MATRIX = "4 x 4 matrix"
    FIELD = "displacement field"


_HEAD = 64 * 1024
_HDF5 = b"\x89HDF\r\n\x1a\n"
_ITK_TEXT = b"#Insight Transform File"
_FOREIGN_TEXTS = {
    b"MNI Transform File": "it is a MINC .xfm file; convert it to an ITK .tfm file",
    b"mat_name": "it is no transform; give the file that the registration wrote",
    b"<?xml": "it is an XML file; give the file that the registration wrote",
    b"(Transform ": "it is an elastix parameter file; set ITKTransformOutputFileNameExtension and give that file",
    b"# 3dAllineate": "it is an AFNI matrix; convert it with cat_matvec and c3d_affine_tool to an ITK .tfm file",
    b"# 3dvolreg": "it is an AFNI matrix; convert it with cat_matvec and c3d_affine_tool to an ITK .tfm file",
}


def transform_format_of(path: Path) -> TransformFormat:
    """Return the format of a transform file, recognised by its content.

    Raises Unusable for a known format that is not supported, OSError if the file cannot be opened.
    """
    with path.open("rb") as file:
        head = file.read(_HEAD)
    if not head:
        raise Unusable("it is empty; save the transform again")
    if head.startswith((_HDF5, _ITK_TEXT)) or _is_matlab(path, head):
        return TransformFormat.ITK
    text = text_of(head)
    for start, reason in _FOREIGN_TEXTS.items():
        if head.lstrip().startswith(start):
            raise Unusable(reason)
    if is_lta(text):
        return TransformFormat.LTA
    if parse_matrix(text) is not None:
        return TransformFormat.MATRIX
    try:
        format_of(path)
    except InputError as error:
        raise Unusable(
            "its format is not supported; give an ITK, ANTs or Slicer transform (.tfm, .txt, .mat, .h5), a "
            "FreeSurfer .lta, an FSL matrix, or a displacement field"
        ) from error
    return TransformFormat.FIELD


def text_of(content: bytes) -> str:
    """Return a file's content as text, whatever its encoding: numbers and names are ASCII in all of these formats."""
    return content.decode("latin-1")


def _is_matlab(path: Path, head: bytes) -> bool:
    """Whether it is not text, and so can only be ITK's MATLAB 4 file, which begins with a number for its type."""
    return path.suffix.lower() == ".mat" and b"\0" in head[:20]


_LEAST_DETERMINANT = 1e-9


@dataclass(frozen=True)
class GivenTransform:
    """A transform that was found elsewhere.

    transform: takes points of the fixed volume to points of the moving one, LPS mm.
    sources: the format and checksum (sha256) of each of its files, in the order in which they are applied.
    notes: sentences that change how the result is read.
    """

    transform: sitk.Transform
    sources: tuple[dict[str, str], ...] = ()
    notes: tuple[str, ...] = ()


def read_given(
    paths: Sequence[Path],
    frames: Frames,
    *,
    is_inverse: bool = False,
    matrix: MatrixKind | None = None,
    found_between: tuple[Frame | None, Frame | None] = (None, None),
) -> GivenTransform:
    """Read one transform file, or several that are applied one after the other.

    Args:
        paths: the files, in the order of antsApplyTransforms: the first is the first to be applied to the fixed points.
        frames: the volumes it is to be used on.
        is_inverse: whether they go from the moving to the fixed volume, so that their inverse is needed.
        matrix: what a bare matrix means; None takes it for FSL's, and says so unless FLIRT's own spacing shows it.
        found_between: the fixed and the moving volume of the registration that wrote the files, if they are others.

    Raises:
        InputError: a file is missing, damaged, of another format, needs other frames, or has no inverse.
    """
    own = frames.exchanged() if is_inverse else frames
    own = Frames(found_between[0] or own.fixed, found_between[1] or own.moving)
    given = _in_turn([_read(path, own, matrix) for path in paths])
    return _inverted(given, frames) if is_inverse else given


def given_transform(
    transform: object, frames: Frames, *, is_inverse: bool = False, matrix: MatrixKind | None = None
) -> GivenTransform:
    """Accept a transform from a caller: a SimpleITK transform, a path, or paths as :func:`read_given` takes them.

    Raises InputError for anything else, for a transform that is not one of 3-D points, and as :func:`read_given` does.
    """
    if isinstance(transform, sitk.Transform):
        if transform.GetDimension() != 3:
            raise InputError(f"The transform is a {transform.GetDimension()}-D one; give a 3-D one.")
        if not _is_invertible(transform):
            raise InputError("The given transform has no inverse; give another one.")
        given = GivenTransform(transform, ({"format": "in memory"},))
        return _inverted(given, frames) if is_inverse else given
    paths = [transform] if isinstance(transform, str | os.PathLike) else transform
    if not isinstance(paths, Sequence) or not paths or not all(isinstance(one, str | os.PathLike) for one in paths):
        raise InputError(f"A transform is a SimpleITK transform, a file or several, not {checks.shown(transform)}.")
    return read_given([Path(os.fsdecode(one)) for one in paths], frames, is_inverse=is_inverse, matrix=matrix)


def _in_turn(given: list[GivenTransform]) -> GivenTransform:
    if len(given) == 1:
        return given[0]
    # Of a composite the last is the first to be applied.
    together = sitk.CompositeTransform([one.transform for one in reversed(given)])
    return GivenTransform(
        as_affine(together) if together.IsLinear() else together,
        tuple(source for one in given for source in one.sources),
        tuple(note for one in given for note in one.notes),
    )


def _inverted(given: GivenTransform, frames: Frames) -> GivenTransform:
    transform, error = inverse_of(given.transform, frames.moving.image)
    sources = tuple(source | {"format": f"{source['format']}, inverse"} for source in given.sources)
    notes = given.notes
    if error:
        notes += (f"The given transform was inverted by iteration, to within {error:.2f} mm.",)
    return GivenTransform(transform, sources, notes)


def _read(path: Path, frames: Frames, matrix: MatrixKind | None) -> GivenTransform:
    if check_input_path(path):
        raise InputError(f"'{path}' is a folder; give a transform file.")
    try:
        transform, name, notes = _transform(path, transform_format_of(path), frames, matrix)
        if not _is_invertible(transform):
            raise Unusable("it has no inverse; save the transform again")
    except Unusable as error:
        raise InputError(f"'{path}' cannot be used as a transform: {error}.") from error
    source = {"format": name, "sha256": hashlib.sha256(path.read_bytes()).hexdigest()}
    return GivenTransform(transform, (source,), tuple(f"The given transform {note}" for note in notes))


def _is_invertible(transform: sitk.Transform) -> bool:
    """Whether a transform, if it is linear, takes different points to different points."""
    return not transform.IsLinear() or abs(np.linalg.det(linear_matrix(transform))) >= _LEAST_DETERMINANT


def _transform(
    path: Path, found: TransformFormat, frames: Frames, kind: MatrixKind | None
) -> tuple[sitk.Transform, str, tuple[str, ...]]:
    """The transform of a file, what a summary calls it, and notes that go on after "The given transform"."""
    if found is TransformFormat.ITK:
        return _itk(path)
    if found is TransformFormat.FIELD:
        return *read_field(path, frames), ()
    return _linear(path, found, frames, kind)


def _itk(path: Path) -> tuple[sitk.Transform, str, tuple[str, ...]]:
    by_slicer = read_inverse(path)
    if by_slicer is None:
        return read_transform(path), TransformFormat.ITK.value, ()
    note = (
        f"is the inverse of a deformation of Slicer's; it was inverted by iteration, to within {by_slicer[1]:.2f} mm."
    )
    return by_slicer[0], "Slicer", (note,)


def _linear(
    path: Path, found: TransformFormat, frames: Frames, kind: MatrixKind | None
) -> tuple[sitk.Transform, str, tuple[str, ...]]:
    text = text_of(path.read_bytes())
    if found is TransformFormat.LTA:
        lps, said = read_lta(text, frames)
        return affine_of(lps), found.value, said
    matrix = parse_matrix(text)
    assert matrix is not None
    if not np.isfinite(matrix).all() or abs(np.linalg.det(matrix)) < _LEAST_DETERMINANT:
        raise Unusable("its matrix has no inverse; save the transform again")
    chosen = kind or MatrixKind.FSL
    notes: tuple[str, ...] = ()
    if kind is None and not is_written_by_flirt(text):
        notes = (
            "is a bare matrix, which does not say what wrote it; it was taken for one of FSL's FLIRT "
            "(--matrix ras: of Greedy, NiftyReg or c3d).",
        )
    name = {MatrixKind.FSL: "FSL matrix", MatrixKind.RAS: "RAS matrix"}[chosen]
    return affine_of(matrix_to_lps(matrix, chosen, frames)), name, notes


_RIGID = 1e-5


def as_registration(fixed: Volume, moving: Volume, given: GivenTransform, progress: Progress = silent) -> Registration:
    """Return a given transform as a registration, with its quality.

    Raises InputError where under the transform the volumes do not meet; Cancelled from ``progress``.
    """
    check_meeting(fixed, moving, given.transform)
    known = Registration(given.transform, Method.NONE, None, 0.0, warnings=given.notes, given=given.sources)
    run = RegistrationRun(Method.NONE, TransformModel.RIGID, progress=progress, known=known)
    return run.registered(within_float32(fixed), within_float32(moving))


def register_from(
    fixed: Volume, moving: Volume, given: GivenTransform, register: Callable[[Volume, Volume], Registration]
) -> Registration:
    """Register with the moving volume placed by a given transform instead of its headers.

    The figures from before the registration are then those of the given transform.

    register: finds the transform from the fixed to the moving volume it is given.

    Raises InputError where under the given transform the volumes do not meet, and what ``register`` raises.
    """
    check_meeting(fixed, moving, given.transform)
    found = register(fixed, replace(moving, image=placed(moving.image, fixed.image, given.transform)))
    return replace(
        found,
        transform=_one_after_the_other(found.transform, given.transform, found.model),
        warnings=(*given.notes, *found.warnings),
        started_from=given.sources,
    )


def masks_from(masks: RegistrationMasks, fixed: Volume, given: GivenTransform) -> RegistrationMasks:
    """Return masks with the moving one placed by a given transform, as :func:`register_from` places its volume."""
    if masks.moving is None:
        return masks
    if given.transform.IsLinear():
        return replace(masks, moving=placed(masks.moving, fixed.image, given.transform))
    # Outside its grid nothing is marked; 0 is not the lowest value of a mask that marks all of its grid.
    on_fixed = sitk.Resample(masks.moving, fixed.image, given.transform, sitk.sitkNearestNeighbor, 0)
    return replace(masks, moving=on_fixed)


def check_meeting(fixed: Volume, moving: Volume, transform: sitk.Transform) -> None:
    """Raise InputError when a transform, from fixed to moving points, takes no fixed voxel into the moving volume."""
    if overlap(fixed.image, moving.image, transform):
        return
    advice = "check that it was found between these two"
    if transform.IsLinear() and overlap(fixed.image, moving.image, as_affine(transform).GetInverse()):
        advice = "its inverse does, so it seems to go from moving to fixed points (--inverse)"
    raise InputError(f"Under the given transform '{moving.name}' does not reach '{fixed.name}' anywhere; {advice}.")


def placed(moving: sitk.Image, fixed: sitk.Image, transform: sitk.Transform) -> sitk.Image:
    """Place a moving image by a transform: through its header or, for a deformation, resampled on the fixed grid.

    transform: from fixed to moving points, LPS mm.
    """
    if not transform.IsLinear():
        return sitk.Resample(moving, fixed, transform, sitk.sitkLinear, lowest_value(moving))
    image = sitk.Image(moving)
    set_ijk_to_lps(image, np.linalg.inv(linear_matrix(transform)) @ ijk_to_lps(moving))
    return image


def _one_after_the_other(first: sitk.Transform, second: sitk.Transform, model: TransformModel | None) -> sitk.Transform:
    """Compose two transforms, the first applied first; two linear ones give a rigid one if that is enough."""
    both = sitk.CompositeTransform([second, first])
    if not both.IsLinear():
        return both
    affine = as_affine(both)
    square = np.reshape(affine.GetMatrix(), (3, 3))
    is_rigid = np.abs(square @ square.T - np.eye(3)).max() < _RIGID and np.linalg.det(square) > 0
    return as_rigid(affine) if is_rigid and model in (None, TransformModel.RIGID) else affine


def apply_to(moving: Volume, reference: Volume, transform: sitk.Transform, *, labels: bool = False) -> sitk.Image:
    """Bring a volume onto the grid of another.

    Args:
        transform: takes points of the reference to points of the moving volume, LPS mm.
        labels: take the nearest voxel's label instead of interpolating; 0 where the volume does not reach.

    Returns:
        Labels and colours in the number type of the volume; intensities as float32, or as float64 where the volume's
        own values need it, with its lowest value where it does not reach.

    Raises:
        InputError: the volume does not reach the reference, or a volume in colour is to hold labels.
    """
    check_meeting(reference, moving, transform)
    image = moving.image
    if labels:
        if moving.is_colour:
            raise InputError(f"'{moving.name}' is in colour, which labels are not; leave --labels out.")
        return sitk.Resample(image, reference.image, transform, sitk.sitkNearestNeighbor, 0.0, image.GetPixelID())
    if moving.is_colour:
        return in_whole_numbers(resample_to_grid(image, reference.image, transform), image)
    narrow = within_float32(moving)
    brought = resample_to_grid(narrow.image, reference.image, transform, lowest_value(narrow.image))
    return own_values(brought, narrow)
