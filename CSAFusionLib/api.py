"""The functions of ``import CSAFusionLib as csafusion``, which take paths, images, arrays and names."""

from __future__ import annotations

import os
from collections.abc import Iterator, Mapping, Sequence
from contextlib import ExitStack
from dataclasses import dataclass, fields, replace
from pathlib import Path
from typing import TYPE_CHECKING, Any

import SimpleITK as sitk

from CSAFusionLib import checks
from CSAFusionLib.checks import parse_choice
from CSAFusionLib.errors import InputError
from CSAFusionLib.fusion.output_grid import GridOf, OutputGrid
from CSAFusionLib.fusion.pipeline import registration_by
from CSAFusionLib.fusion.result import FusionResult
from CSAFusionLib.fusion.settings import FusionSettings, current_names
from CSAFusionLib.geometry.grid import region_of
from CSAFusionLib.progress import Progress, silent
from CSAFusionLib.registration.foreign_transforms import Frame, Frames
from CSAFusionLib.registration.given_transform import GivenTransform, given_transform
from CSAFusionLib.registration.registration import MatrixKind, Method, Registration, RegistrationMasks, TransformModel
from CSAFusionLib.volumes.checking import check_grid, check_volume
from CSAFusionLib.volumes.in_memory import to_volume
from CSAFusionLib.volumes.input_path import MEAN
from CSAFusionLib.volumes.nifti import Orientation
from CSAFusionLib.volumes.reading import read_pair
from CSAFusionLib.volumes.reading import read_volume as read_file
from CSAFusionLib.volumes.volume import Volume

if TYPE_CHECKING:
    from typing import TypeAlias

    from nibabel.spatialimages import SpatialImage

    from CSAFusionLib.fusion.pipeline import Alignment
    from CSAFusionLib.fusion.several import MovingVolume, SeveralFused
    from CSAFusionLib.volumes.volume_series import VolumeSeries

    VolumeLike: TypeAlias = str | os.PathLike[str] | Volume | sitk.Image | SpatialImage | tuple[Any, Any]
    TransformLike: TypeAlias = str | os.PathLike[str] | sitk.Transform | Sequence[str | os.PathLike[str]]


def read_volume(
    source: VolumeLike,
    volume: int | None = None,
    *,
    orientation: Orientation | str = Orientation.HEADER,
    keep_shear: bool = False,
) -> Volume:
    """Read a 3-D volume; check its header before reading its voxels.

    Args:
        source: a NIfTI, Analyze, NRRD or MetaImage file, a DICOM file or folder; or what
            :func:`CSAFusionLib.volumes.in_memory.to_volume` takes.
        volume: the number of the volume, from 1, where a DICOM file or folder holds several; None for a single one.
        orientation: which NIfTI orientation to use: ``header`` (as 3D Slicer does), ``sform``, ``qform`` or
            ``nibabel``.
        keep_shear: accept sheared axes; suitable for a moving volume.

    Raises:
        InputError: the source cannot be read or is not one 3-D volume.
    """
    return _volume(source, "volume", volume=volume, orientation=orientation, keep_shear=keep_shear)


def register(
    fixed: VolumeLike,
    moving: VolumeLike,
    method: Method | str = Method.AUTO,
    model: TransformModel | str = TransformModel.RIGID,
    *,
    seed: int = 0,
    deterministic: bool = True,
    initial_transform: TransformLike | None = None,
    mask: VolumeLike | None = None,
    moving_mask: VolumeLike | None = None,
    progress: Progress = silent,
) -> Registration:
    """Find the transform that takes points of the fixed volume to points of the moving one (LPS mm), and assess it.

    Args:
        fixed, moving: what :func:`fuse` takes.
        method, model: as ``registration`` and ``transform_model`` of :class:`FusionSettings`.
        seed, deterministic: as in :class:`FusionSettings`.
        initial_transform: the transform to start from instead of the headers, as ``transform`` of :func:`fuse`.
        mask, moving_mask: as for :func:`fuse`.
        progress: called with the progress of the registration; it may raise :class:`CSAFusionLib.errors.Cancelled`.

    Returns:
        The ``transform`` (SimpleITK), its ``quality`` (a grade and the reason) and the metrics behind it. :func:`fuse`
        accepts the result as ``registration``.

    Raises:
        InputError: a volume or a choice cannot be used.
        RegistrationError: the method failed or is not installed.
    """
    settings = FusionSettings(
        registration=_method(method),
        transform_model=_model(model),
        seed=seed,
        deterministic=deterministic,
    )
    volumes = _pair(fixed, moving)
    for volume in volumes:
        check_volume(volume)
    start = None if initial_transform is None else _given(initial_transform, (fixed, moving), volumes)
    masks = _masks(volumes, mask, moving_mask)
    return registration_by(*volumes, settings, start, is_start=True, masks=masks, progress=progress)


def apply_transform(
    transform: TransformLike,
    moving: VolumeLike,
    reference: VolumeLike,
    *,
    labels: bool = False,
    inverse: bool = False,
    matrix: MatrixKind | str | None = None,
) -> sitk.Image:
    """Resample a volume or a label map onto the grid of another with a known transform.

    ::

        csafusion.apply_transform("transform.tfm", "lesions.nii.gz", "t1.nii.gz", labels=True)

    Args:
        transform: as for :func:`fuse`.
        moving, reference: what :func:`fuse` takes as moving and fixed.
        labels: take the nearest voxel's label instead of interpolating.
        inverse: the transform goes from moving to reference points; use its inverse.
        matrix: what a bare 4 x 4 matrix means, ``fsl`` (FLIRT) or ``ras`` (Greedy, NiftyReg, c3d).

    Returns:
        The volume on the reference grid, as :func:`CSAFusionLib.registration.given_transform.apply_to` returns it.

    Raises:
        InputError: a volume or the transform cannot be used, or the transformed volumes do not overlap.
    """
    from CSAFusionLib.registration.given_transform import apply_to

    checks.flag(labels, "labels")
    volumes = _pair(reference, moving)
    for volume in volumes:
        check_grid(volume)
    given = _given(transform, (reference, moving), volumes, inverse=inverse, matrix=matrix)
    return apply_to(volumes[1], volumes[0], given.transform, labels=labels)


def fuse(
    fixed: VolumeLike,
    moving: VolumeLike,
    settings: FusionSettings | None = None,
    *,
    region: VolumeLike | None = None,
    contribution: bool = False,
    transform: TransformLike | None = None,
    initial_transform: TransformLike | None = None,
    mask: VolumeLike | None = None,
    moving_mask: VolumeLike | None = None,
    grid: GridOf | str = GridOf.FIXED,
    spacing: float | None = None,
    progress: Progress = silent,
    **choices: Any,
) -> FusionResult:
    """Register the moving volume to the fixed one and fuse the two on the fixed volume's grid.

    ::

        result = csafusion.fuse("t1.nii.gz", "pet.nii.gz", colour_table="hot-iron")
        result.save("fused/")

    Args:
        fixed, moving: a path (a file, or a DICOM folder), a :class:`Volume`, a SimpleITK or nibabel image, or an array
            with its geometry, as :func:`CSAFusionLib.volumes.in_memory.to_volume` describes.
        settings: the settings; the defaults of :class:`FusionSettings` when left out.
        region: where to fuse (not 0), on the fixed volume's grid; everywhere when left out.
        contribution: whether to return a map of the fixed volume's contribution as well.
        transform: used instead of a registration: a SimpleITK transform from fixed to moving points (LPS mm), a file of
            ITK, ANTs, Slicer, FSL or FreeSurfer, or a list of files as antsApplyTransforms takes them.
        initial_transform: the transform the registration starts from instead of the headers.
        mask, moving_mask: where the registration compares the volumes (not 0), each on the grid of its volume.
        grid, spacing: the result's grid, as :class:`CSAFusionLib.fusion.output_grid.OutputGrid` describes.
        progress: called with the progress of the fusion; it may raise :class:`CSAFusionLib.errors.Cancelled`.
        **choices: single fields of :class:`FusionSettings`, which override ``settings``; enums and windows may be given
            by name (``registration="none"``, ``moving_window="brain"``). ``registration`` may also be the result of
            :func:`register`.

    Raises:
        InputError: a volume or a choice cannot be used.
        RegistrationError: the registration failed or its method is not installed.
    """
    from CSAFusionLib.fusion.pipeline import fuse_on_grid

    ways = _Ways(transform, initial_transform, mask, moving_mask, _registration_taken(choices))
    ways.check(choices)
    chosen, on = _settings(settings, current_names(choices)), _output_grid(grid, spacing)
    checks.flag(contribution, "contribution")
    volumes = _pair(fixed, moving)
    return fuse_on_grid(
        volumes,
        chosen,
        grid=on,
        alignment=ways.alignment(volumes, (fixed, moving)),
        region=None if region is None else region_of(_volume(region, "region"), volumes[0]),
        contribution=contribution,
        progress=progress,
    )


@dataclass(frozen=True)
class _Ways:
    """The caller's arguments for the alignment; None where one is not given."""

    used: TransformLike | None
    initial: TransformLike | None
    mask: VolumeLike | None
    moving_mask: VolumeLike | None
    done: Registration | None

    def check(self, choices: Mapping[str, Any]) -> None:
        """Refuse two conflicting sources of the alignment, one of which would be silently ignored."""
        if self.used is not None and self.initial is not None:
            raise InputError("'transform' replaces a registration, 'initial_transform' starts one; give one of them.")
        if self.used is not None and (self.done is not None or "registration" in choices):
            raise InputError("'transform' takes the place of a registration; leave out 'registration'.")
        guides = {"initial_transform": self.initial, "mask": self.mask, "moving_mask": self.moving_mask}
        for name, given in guides.items():
            if given is not None and self.done is not None:
                does = "start" if name == "initial_transform" else "guide"
                raise InputError(f"'registration' is already complete, so '{name}' cannot {does} it; leave one out.")

    def alignment(self, volumes: tuple[Volume, Volume], sources: tuple[VolumeLike, VolumeLike]) -> Alignment:
        """Read all files; ``sources`` are the caller's arguments for the two volumes."""
        from CSAFusionLib.fusion.pipeline import Alignment

        given = self.initial if self.used is None else self.used
        return Alignment(
            given=None if given is None else _given(given, sources, volumes),
            is_start=self.used is None,
            masks=_masks(volumes, self.mask, self.moving_mask),
            done=self.done,
        )


def _registration_taken(choices: dict[str, Any]) -> Registration | None:
    """Take a completed registration out of the choices; None where there is none."""
    return choices.pop("registration") if isinstance(choices.get("registration"), Registration) else None


def save_dicom(
    result: FusionResult, fixed: VolumeLike, folder: str | os.PathLike[str], moving: VolumeLike | None = None
) -> list[str]:
    """Write a fused volume to a new folder as a DICOM series of the fixed volume's patient and study.

    Args:
        result: the result of :func:`fuse`.
        fixed: the DICOM volume it was fused on, as a path or as :func:`read_volume` returns it.
        folder: created if it does not exist; it must be empty.
        moving: the other volume, which the series references if it is DICOM.

    Returns:
        Warnings that change how the series is read, as sentences.

    Raises:
        InputError: the fixed volume is not DICOM, the folder cannot be used, or highdicom is not installed.
    """
    from CSAFusionLib.volumes.dicom.derived_series import write_series

    modalities = [result.provenance[role]["modality"] for role in ("fixed", "moving")]
    target = _volume(fixed, "fixed")
    other = None if moving is None else _volume(moving, "moving", keep_shear=True)
    return write_series(result.fused, target, other, Path(folder), modalities=modalities)


def fuse_several(
    fixed: VolumeLike,
    movings: Sequence[VolumeLike | Mapping[str, Any]],
    settings: FusionSettings | None = None,
    *,
    region: VolumeLike | None = None,
    mask: VolumeLike | None = None,
    grid: GridOf | str = GridOf.FIXED,
    spacing: float | None = None,
    progress: Progress = silent,
    **choices: Any,
) -> SeveralFused:
    """Register several moving volumes to the fixed one, each once, and fuse them in turn: grey, then colour.

    ::

        pet = {"volume": "pet.nii.gz", "colour_table": "hot-iron"}
        result = csafusion.fuse_several("t1.nii.gz", ["ct.nii.gz", pet])

    Args:
        fixed: what :func:`fuse` takes.
        movings: the moving volumes; a dictionary holds one as ``volume``, and its own ``modality``, ``window``,
            ``colour_table`` and ``mask`` (where its registration compares it).
        mask: where every registration compares the volumes, on the fixed volume's grid.
        grid: as for :func:`fuse`; ``moving`` means the first moving volume.
        settings, region, spacing, progress, **choices: as for :func:`fuse`, shared by all moving volumes.

    Raises:
        InputError: a volume or a choice cannot be used.
        RegistrationError: a registration failed or its method is not installed.
    """
    from CSAFusionLib.fusion.several import fuse_several as fuse_volumes_in_turn

    chosen = _settings(settings, choices)
    for name in ("moving_modality", "moving_window", "colour_table"):
        if getattr(chosen, name) is not None:
            raise InputError(f"'{name}' is for one moving volume; give it in that volume's own dictionary.")
    target = _volume(fixed, "fixed")
    return fuse_volumes_in_turn(
        target,
        [_moving(one, target, mask) for one in movings],
        chosen,
        region=None if region is None else region_of(_volume(region, "region"), target),
        grid=_output_grid(grid, spacing),
        progress=progress,
    )


def fuse_series(
    fixed: VolumeLike | list[VolumeLike],
    moving: VolumeLike | list[VolumeLike],
    settings: FusionSettings | None = None,
    *,
    register_by: str | int = MEAN,
    contribution: bool = False,
    progress: Progress = silent,
    **choices: Any,
) -> Iterator[FusionResult]:
    """Fuse every volume of a series with one other volume, with one registration; yields each result once it is made.

    ::

        for result in csafusion.fuse_series("t1.nii.gz", "dynamic_pet.nii.gz", colour_table="hot-iron"):
            ...

    Args:
        fixed, moving: what :func:`fuse` takes; one of them is a path that holds several volumes, or a list of volumes.
        register_by: what represents the series in the registration: ``mean``, or the number of one of its volumes.
        settings, contribution, progress, **choices: as for :func:`fuse`. All volumes together set black and white.

    Yields:
        The result of each volume, in order; its provenance also describes the series.

    Raises:
        InputError: a volume or a choice cannot be used, or neither input is a series.
        RegistrationError: the registration failed or its method is not installed.
    """
    from CSAFusionLib.fusion.pipeline import Alignment
    from CSAFusionLib.fusion.several import SeriesFusion, check_series_settings, series_beside_one

    done = _registration_taken(choices)
    chosen = _settings(settings, current_names(choices))
    with ExitStack() as opened:
        sources = [_series(one, name, opened) for one, name in ((fixed, "fixed"), (moving, "moving"))]
        series, other, is_moving = series_beside_one((sources[0], sources[1]))
        check_series_settings(chosen, series)
        fusion = SeriesFusion(
            series=series,
            other=other,
            is_moving=is_moving,
            settings=chosen,
            reference=series.reference(str(register_by), progress),
            by=str(register_by),
            alignment=Alignment(done=done),
            progress=progress,
        )
        yield from fusion.results(contribution=contribution)


def _series(source: VolumeLike | list[VolumeLike], name: str, opened: ExitStack) -> VolumeSeries:
    from CSAFusionLib.volumes.volume_series import VolumeSeries, open_series

    keep_shear = name == "moving"
    if isinstance(source, str | os.PathLike):
        return opened.enter_context(open_series(Path(os.fsdecode(source)), keep_shear=keep_shear))
    volumes = source if isinstance(source, list) else [source]
    return VolumeSeries(
        name, len(volumes), None, lambda number: _volume(volumes[number - 1], name, keep_shear=keep_shear)
    )


def _moving(given: VolumeLike | Mapping[str, Any], fixed: Volume, mask: VolumeLike | None) -> MovingVolume:
    from CSAFusionLib.fusion.several import MovingVolume

    own: dict[str, Any] = dict(given) if isinstance(given, Mapping) else {"volume": given}
    unknown = sorted(set(own) - {"volume", "modality", "window", "colour_table", "mask"})
    if unknown or "volume" not in own:
        raise InputError(
            "Give a moving volume as 'volume', with 'modality', 'window', 'colour_table' and 'mask' if needed."
        )
    # The settings know how a name becomes a modality or a window.
    checked = FusionSettings(moving_modality=own.get("modality"), moving_window=own.get("window"))
    volume = _volume(own["volume"], "moving", keep_shear=True)
    return MovingVolume(
        volume=volume,
        masks=_masks((fixed, volume), mask, own.get("mask")),
        modality=checked.moving_modality,
        window=checked.moving_window,
        colour_table=FusionSettings(colour_table=own.get("colour_table")).colour_table,
    )


def _pair(fixed: VolumeLike, moving: VolumeLike) -> tuple[Volume, Volume]:
    """Both volumes; the moving one may be sheared, since it is resampled anyway."""
    if isinstance(fixed, str | os.PathLike) and isinstance(moving, str | os.PathLike):
        return read_pair(os.fsdecode(fixed), os.fsdecode(moving))
    return _volume(fixed, "fixed"), _volume(moving, "moving", keep_shear=True)


def _volume(
    source: VolumeLike,
    name: str,
    *,
    volume: int | None = None,
    orientation: Orientation | str = Orientation.HEADER,
    keep_shear: bool = False,
) -> Volume:
    if volume is not None:
        volume = checks.whole_number(volume, "volume", "a number from 1, or None", low=1, high=checks.LARGEST_SEED)
    placed_by = (
        orientation if isinstance(orientation, Orientation) else parse_choice(Orientation, orientation, "orientation")
    )
    if isinstance(source, str | os.PathLike):
        return read_file(os.fsdecode(source), volume, orientation=placed_by, keep_shear=keep_shear)
    if volume is not None or placed_by is not Orientation.HEADER:
        raise InputError(f"'{name}' is in memory: 'volume' and 'orientation' are for files; leave them out.")
    return source if isinstance(source, Volume) else to_volume(source, name, keep_shear=keep_shear)


def _given(
    transform: TransformLike,
    sources: tuple[VolumeLike, VolumeLike],
    volumes: tuple[Volume, Volume],
    *,
    inverse: bool = False,
    matrix: MatrixKind | str | None = None,
) -> GivenTransform:
    """The transform from fixed to moving points; ``sources`` are the caller's arguments for the two volumes."""
    kind = parse_choice(MatrixKind, matrix, "kind of matrix") if isinstance(matrix, str) else matrix
    paths = [Path(os.fsdecode(one)) if isinstance(one, str | os.PathLike) else None for one in sources]
    frames = Frames(*(Frame(volume.image, path) for volume, path in zip(volumes, paths, strict=True)))
    checks.flag(inverse, "inverse")
    return given_transform(transform, frames, is_inverse=inverse, matrix=kind)


def _masks(volumes: tuple[Volume, Volume], fixed: VolumeLike | None, moving: VolumeLike | None) -> RegistrationMasks:
    given = {"mask": fixed, "moving_mask": moving}
    of_fixed, of_moving = (None if one is None else _volume(one, name, keep_shear=True) for name, one in given.items())
    return RegistrationMasks.of(volumes, (of_fixed, of_moving), (_checksum(fixed), _checksum(moving)))


def _checksum(source: VolumeLike | None) -> str | None:
    """The SHA-256 of the file or folder at a path; None for a volume in memory."""
    from CSAFusionLib.batch.resuming import describe_input

    if not isinstance(source, str | os.PathLike):
        return None
    return str(describe_input(Path(os.fsdecode(source)))["sha256"])


def _output_grid(grid: GridOf | str, spacing: float | None) -> OutputGrid:
    of = grid if isinstance(grid, GridOf) else parse_choice(GridOf, grid, "grid")
    return OutputGrid(of=of, spacing=spacing)


def _method(method: Method | str) -> Method:
    return method if isinstance(method, Method) else parse_choice(Method, method, "method")


def _model(model: TransformModel | str) -> TransformModel:
    return model if isinstance(model, TransformModel) else parse_choice(TransformModel, model, "model")


def _settings(settings: FusionSettings | None, choices: Mapping[str, Any]) -> FusionSettings:
    if settings is not None and not isinstance(settings, FusionSettings):
        raise InputError(
            f"The settings are {checks.shown(settings)}; give FusionSettings, or its fields by their names."
        )
    known = [field.name for field in fields(FusionSettings)]
    for name in choices:
        if name not in known:
            raise InputError(f"There is no setting {name!r}; choose from {', '.join(known)}.")
    return replace(settings or FusionSettings(), **choices)
