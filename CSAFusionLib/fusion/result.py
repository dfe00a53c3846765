"""What a fusion gives: the fused volume, its provenance, metrics of each slice, and all of it as a folder of files.

- Provenance is plain JSON values: no path, and nothing of the patient.
- Metrics of a slice tell what it has kept of its two sources, and are cheap enough for every run.
- What is rarely needed is made when it is first read.

Other programs read the folder too, and it comes back the same to the last bit: ``fused.nrrd``, ``fixed_mapped.nrrd``,
``moving_mapped.nrrd``, ``moving_on_grid.nrrd`` and, if it was asked for, ``contribution.nrrd``; ``transform.h5`` (from
fixed to moving points, ITK); and ``result.json``: provenance, warnings, metrics, what is known of the registration, and
the grid in full precision.
"""

from __future__ import annotations

import json
import os
import platform
import sys
from dataclasses import dataclass
from functools import cached_property, partial
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np

import CSAFusionLib
from CSAFusionLib import checks
from CSAFusionLib import lazy_simpleitk as sitk
from CSAFusionLib.checks import entry, lists_of_numbers, texts
from CSAFusionLib.errors import InputError
from CSAFusionLib.files.atomic_write import Writer, atomic_write, check_folder, content_writer, is_taken
from CSAFusionLib.fusion.colour import Source
from CSAFusionLib.fusion.colouring import brightness, to_pixels, wide_volume
from CSAFusionLib.fusion.device import Device
from CSAFusionLib.fusion.settings import FusionSettings, Style
from CSAFusionLib.fusion.slices import FusedSlices
from CSAFusionLib.fusion.source_pair import PreparedInput, SourcePair
from CSAFusionLib.geometry.field_of_view import field_of_view, resample_to_grid
from CSAFusionLib.geometry.grid import lowest_value
from CSAFusionLib.geometry.planes import from_slices, slices_view, to_slices
from CSAFusionLib.intensity.voxel_values import own_values
from CSAFusionLib.logs import logger_of
from CSAFusionLib.registration.registration import Registration
from CSAFusionLib.text import to_json
from CSAFusionLib.volumes.checking import notes_of

if TYPE_CHECKING:
    from CSAFusionLib.weights.weights_file import WeightsInfo


_log = logger_of(__name__)

NOTICE = "Research use only, not for diagnosis."


def versions() -> dict[str, str]:
    """Versions of this package and of what computes in it: SimpleITK has no part in a fusion of usual pictures."""
    import torch

    itk = {"SimpleITK": sitk.Version.VersionString()} if "SimpleITK" in sys.modules else {}
    return {
        "csafusion": CSAFusionLib.__version__,
        "torch": str(torch.__version__),
        **itk,
        "python": platform.python_version(),
    }


def describe_run(settings: FusionSettings, weights: WeightsInfo | None, device: Device) -> dict[str, Any]:
    """Versions, settings, weights (None: no network was used) and device of a run."""
    # The weights may have been given as a path of this user's disk; name and checksum say more and give nothing away.
    chosen = settings.to_dict() | {"weights": weights.name if weights and settings.weights is not None else None}
    return {
        "notice": NOTICE,
        "versions": versions(),
        "settings": chosen,
        "weights": {"name": weights.name, "sha256": weights.sha256} if weights else {"name": "none", "sha256": ""},
        "device": {"name": device.torch_device, "reason": device.reason},
    }


_RADIUS = 3  # pixels of the square window, 7 by 7
# Wang et al., "Image quality assessment: from error visibility to structural similarity", 2004, for values in [0, 1].
_C1, _C2 = 0.01**2, 0.03**2
_NAMES = ("ssim_moving", "ssim_fixed", "correlation_moving", "correlation_fixed")


def slice_figures(fused: np.ndarray, fixed: np.ndarray, moving: np.ndarray) -> dict[str, list[float]]:
    """Compare fused slices with both sources, slice by slice; NaN where both sources are black.

    Args:
        fused, fixed, moving: (S, H, W) in [0, 1].

    Returns:
        Lists of S figures: ``ssim_fixed``, ``ssim_moving`` (structural similarity, mean over the pixels where a source
        has a signal) and ``correlation_fixed``, ``correlation_moving`` (of the same pixels).
    """
    # Slice by slice: local means of whole volumes would take more memory than anything else in a run.
    figures = [_of_slice(*slices) for slices in zip(fused, fixed, moving, strict=True)]
    return {name: [figure[name] for figure in figures] for name in _NAMES}


def _of_slice(fused: np.ndarray, fixed: np.ndarray, moving: np.ndarray) -> dict[str, float]:
    seen = (fixed > 0) | (moving > 0)
    if not seen.any():
        return dict.fromkeys(_NAMES, float("nan"))
    return {
        "ssim_fixed": float(_similarity(fused, fixed)[seen].mean()),
        "ssim_moving": float(_similarity(fused, moving)[seen].mean()),
        "correlation_fixed": _correlation(fused[seen], fixed[seen]),
        "correlation_moving": _correlation(fused[seen], moving[seen]),
    }


def _similarity(a: np.ndarray, b: np.ndarray) -> np.ndarray:
    """Structural similarity at every pixel, (H, W)."""
    mean_a, mean_b = _local_mean(a), _local_mean(b)
    variance_a = _local_mean(a * a) - mean_a**2
    variance_b = _local_mean(b * b) - mean_b**2
    covariance = _local_mean(a * b) - mean_a * mean_b
    luminance = (2 * mean_a * mean_b + _C1) / (mean_a**2 + mean_b**2 + _C1)
    return luminance * (2 * covariance + _C2) / (variance_a + variance_b + _C2)


def _local_mean(image: np.ndarray) -> np.ndarray:
    return sitk.GetArrayFromImage(sitk.BoxMean(sitk.GetImageFromArray(image), [_RADIUS, _RADIUS]))


def _correlation(a: np.ndarray, b: np.ndarray) -> float:
    if a.std() == 0 or b.std() == 0:
        return float("nan")
    return float(np.corrcoef(a.astype(float), b.astype(float))[0, 1])


class OnDemand:
    """A dataclass field that may be given as a function, which is called only when the field is first read."""

    def __init__(self, *default: Any) -> None:
        """Take the default, a value or a function that makes it; a field without a default must be given."""
        self._default = default

    def __set_name__(self, owner: type, name: str) -> None:
        self._name = name

    def __get__(self, instance: object | None, owner: type) -> Any:
        if instance is None:
            if self._default:
                return self._default[0]
            raise AttributeError(self._name)
        values = vars(instance)
        if callable(values[self._name]):
            values[self._name] = values[self._name]()
        return values[self._name]

    def __set__(self, instance: object, value: Any) -> None:
        vars(instance)[self._name] = value


@dataclass(frozen=True, kw_only=True, repr=False, eq=False)
class FusionResult:
    """A fused volume and everything that led to it; every image is on the fixed volume's grid.

    ``fused``, ``fixed_mapped`` and ``moving_mapped`` (the two inputs as they were fused) are scalar float32 in [0, 1],
    or uint8 RGB vectors where they have colour. ``moving_on_grid`` keeps the moving volume's own intensities.
    ``contribution`` is the share of the fused value that comes from the fixed volume, float32 in [0, 1]; None where it
    was not asked for, and for weights that predict pixels. ``figures`` are those of
    :func:`CSAFusionLib.fusion.result.slice_figures`. ``fixed_mapped``, ``moving_mapped``, ``moving_on_grid`` and
    ``figures`` may be given as functions that make them, and ``field_of_view``: uint8, 1 where the moving volume
    reaches; None for a result that was loaded.
    """

    fused: sitk.Image
    fixed_mapped: OnDemand = OnDemand()
    moving_mapped: OnDemand = OnDemand()
    moving_on_grid: OnDemand = OnDemand()
    registration: Registration
    provenance: dict[str, Any]
    warnings: list[str]
    contribution: sitk.Image | None = None
    figures: OnDemand = OnDemand(dict)
    field_of_view: OnDemand = OnDemand(None)

    @classmethod
    def assembled(
        cls,
        sources: SourcePair,
        registration: Registration,
        settings: FusionSettings,
        weights: WeightsInfo | None,
        fused: FusedSlices,
        pixels: np.ndarray,
    ) -> FusionResult:
        """Put fused slices back on the fixed volume's grid, with their provenance and what a reader must know.

        Args:
            weights: None where no network was used.
            fused: its contribution is the fixed volume's.
            pixels: the result's slices (S, H, W) or (S, H, W, 3), side by side twice as wide.
        """
        reference, plane = sources.fixed.volume.image, sources.plane
        is_wide = settings.style is Style.SIDE_BY_SIDE
        images = ImagesOnDemand(sources, registration.transform)
        provenance = describe_run(settings, weights, fused.device) | sources.describe()
        of_pair = sources.warnings(weights.name if weights else "")
        provenance["registration"] = registration.describe()
        read = notes_of(sources.fixed.volume, sources.moving.volume)
        warnings = [*read, *registration.warnings, *registration.doubts, *sources.notes, *of_pair, *fused.warnings]
        image = (wide_volume if is_wide else from_slices)(pixels, reference, plane)
        _log.info("fused %d slices on %s, %d warnings", len(pixels), fused.device.torch_device, len(warnings))
        return cls(
            fused=image,
            fixed_mapped=images.fixed_mapped,
            moving_mapped=images.moving_mapped,
            moving_on_grid=images.moving_on_grid,
            field_of_view=images.field_of_view,
            figures={} if is_wide else partial(images.figures, image),
            registration=registration,
            provenance=provenance | {"warnings": warnings},
            warnings=warnings,
            contribution=None if fused.contribution is None else from_slices(fused.contribution, reference, plane),
        )

    def save(self, folder: str | os.PathLike[str]) -> None:
        """Write all of it into a folder, which is made if need be, for :meth:`load` and for other programs.

        The files are those of :mod:`CSAFusionLib.fusion.result`. Raises InputError when the folder cannot be
        used; then nothing is written.
        """

        save_result(self, Path(folder))

    @classmethod
    def load(cls, folder: str | os.PathLike[str]) -> FusionResult:
        """Read what :meth:`save` wrote; InputError when it is missing or damaged."""

        return load_result(Path(folder))


class ImagesOnDemand:
    """The rarely needed images of a result, made from both inputs and the transform when they are first read."""

    def __init__(self, sources: SourcePair, transform: sitk.Transform) -> None:
        """Take the transform from fixed points to moving points (LPS, mm)."""
        self._fixed, self._moving, self._plane = sources.fixed, sources.moving, sources.plane
        self._reference = sources.fixed.volume.image
        self._transform = transform

    @cached_property
    def _inside(self) -> sitk.Image:
        return field_of_view(self._moving.volume.image, self._reference, self._transform)

    @cached_property
    def _on_grid(self) -> sitk.Image:
        moving = self._moving.volume.image
        return resample_to_grid(moving, self._reference, self._transform, lowest_value(moving), self._inside)

    def _fixed_source(self) -> Source:
        return self._source(self._reference, self._fixed)

    def _moving_source(self) -> Source:
        return self._source(self._on_grid, self._moving)

    def _source(self, image: sitk.Image, prepared: PreparedInput) -> Source:
        return Source.mapped(slices_view(image, self._plane), prepared.mapping, prepared.colour_table)

    def field_of_view(self) -> sitk.Image:
        """Where the moving volume reaches, uint8."""
        return self._inside

    def moving_on_grid(self) -> sitk.Image:
        """The moving volume's own intensities."""
        return own_values(self._on_grid, self._moving.volume)

    def fixed_mapped(self) -> sitk.Image:
        """The fixed volume as it is fused."""
        return from_slices(to_pixels(self._fixed_source()), self._reference, self._plane)

    def moving_mapped(self) -> sitk.Image:
        """The moving volume as it is fused."""
        return from_slices(to_pixels(self._moving_source()), self._reference, self._plane)

    def figures(self, fused: sitk.Image) -> dict[str, list[float]]:
        """The metrics of each slice of the fused volume."""
        luminance = self._fixed_source().luminance, self._moving_source().luminance
        return slice_figures(brightness(to_slices(fused, self._plane)), *luminance)


IMAGES = ("fused", "fixed_mapped", "moving_mapped", "moving_on_grid")
CONTRIBUTION = "contribution"

_DESCRIPTION, _TRANSFORM = "result.json", "transform.h5"


def save_result(result: FusionResult, folder: Path) -> None:
    """Write a result into a folder, which is made if need be: all files or, when one fails, none.

    Raises InputError for a folder that cannot be used, or when the disk refuses a file.
    """
    if is_taken(folder):
        raise InputError(f"'{folder}' is not a folder; give another name.")
    if result.fused.GetSize() != result.fixed_mapped.GetSize():
        raise InputError("A side-by-side volume has a grid of its own and cannot be saved as a result; write 'fused'.")
    check_folder(folder if folder.is_dir() else folder.parent)
    from CSAFusionLib.registration.transforms import transform_writer
    from CSAFusionLib.volumes.writing import volume_writer

    images = {name: getattr(result, name) for name in IMAGES}
    if result.contribution is not None:
        images[CONTRIBUTION] = result.contribution
    description = {
        "images": list(images),
        "grid": _grid(result.fused),
        "registration": result.registration.to_dict(),
        "provenance": result.provenance,
        "warnings": result.warnings,
        "figures": result.figures,
    }
    writers: dict[Path, Writer] = {folder / f"{name}.nrrd": volume_writer(image) for name, image in images.items()}
    writers[folder / _TRANSFORM] = transform_writer(result.registration.transform)
    writers[folder / _DESCRIPTION] = content_writer(to_json(description, indent=2) + "\n")
    folder.mkdir(exist_ok=True)
    atomic_write(writers)


def load_result(folder: Path) -> FusionResult:
    """Read the result that :func:`save_result` wrote; InputError when it is missing, damaged or of a wrong type."""
    from CSAFusionLib.registration.transforms import read_transform

    description = _description(folder)
    names = texts(entry(description, "images"), "names of the images")
    if sorted({*names} - {CONTRIBUTION}) != sorted(IMAGES):
        raise InputError(f"'{folder}' does not hold a result whole; save it again.")
    grid = checks.mapping(entry(description, "grid"), "grid")
    images = {name: _image(folder / f"{name}.nrrd", grid) for name in names}
    registration = checks.mapping(entry(description, "registration"), "registration")
    return FusionResult(
        **images,
        registration=Registration.from_dict(registration, read_transform(folder / _TRANSFORM)),
        provenance=checks.mapping(entry(description, "provenance"), "provenance"),
        warnings=texts(entry(description, "warnings"), "warnings"),
        figures=lists_of_numbers(entry(description, "figures")),
    )


def _description(folder: Path) -> dict[str, Any]:
    try:
        text = (folder / _DESCRIPTION).read_text(encoding="utf-8")
    except (FileNotFoundError, NotADirectoryError):
        raise InputError(f"'{folder}' holds no saved result ({_DESCRIPTION} is missing); check the path.") from None
    except (OSError, ValueError) as error:
        raise InputError(f"'{folder / _DESCRIPTION}' cannot be read; copy the folder again.") from error
    try:
        return checks.mapping(json.loads(text), "saved result")
    except (ValueError, RecursionError) as error:
        raise InputError(f"'{folder / _DESCRIPTION}' is damaged; save the result again.") from error


def _grid(image: sitk.Image) -> dict[str, tuple[float, ...]]:
    return {"spacing": image.GetSpacing(), "origin": image.GetOrigin(), "direction": image.GetDirection()}


def _image(file: Path, grid: dict[str, Any]) -> sitk.Image:
    """An image, put exactly where it was: NRRD keeps the axes in mm, which rounds spacing and direction."""
    from CSAFusionLib.volumes.reading import read_volume

    image = read_volume(file, keep_shear=True).image
    found = _grid(image)
    for name, own in found.items():
        saved = np.array(_floats(entry(grid, name), name))
        if saved.shape != np.shape(own) or not np.allclose(saved, own, rtol=1e-6, atol=1e-6):
            raise InputError(f"'{file}' does not lie where its result says; save the result again.")
    image.SetSpacing(grid["spacing"])
    image.SetOrigin(grid["origin"])
    image.SetDirection(grid["direction"])
    return image


def _floats(values: object, name: str) -> list[float]:
    if not isinstance(values, list):
        raise InputError(f"The {name} of the grid must be a list of numbers, not {checks.shown(values)}.")
    return [checks.number(value, name, "a finite number", low=-1e300, high=1e300) for value in values]
