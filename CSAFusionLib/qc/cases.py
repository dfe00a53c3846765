"""The cases of a review page, the least trusted first, and small pictures of their volumes in three planes."""

from __future__ import annotations

import base64
import io
import json
import math
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from functools import partial
from pathlib import Path
from typing import Any

import numpy as np
import SimpleITK as sitk
from PIL import Image, features

from CSAFusionLib import checks
from CSAFusionLib.batch.layout import Record, read_records
from CSAFusionLib.errors import InputError
from CSAFusionLib.geometry.planes import Plane, slice_spacing, slices_view
from CSAFusionLib.registration.misalignment_map import coloured, measure_misalignment, scale_mm, summarise
from CSAFusionLib.registration.preparation import prepare
from CSAFusionLib.registration.transforms import read_transform
from CSAFusionLib.volumes.input_path import SeveralVolumesError
from CSAFusionLib.volumes.nifti import Orientation
from CSAFusionLib.volumes.reading import read_volume
from CSAFusionLib.volumes.volume import Volume

Scale = tuple[tuple[float, ...], tuple[float, ...]]
"""Intensities, and the brightness (0 to 1) of each."""

_PLANES = (Plane.AXIAL, Plane.CORONAL, Plane.SAGITTAL)
_WIDTH = 720
_HEIGHT = 264
_GAP = 4
_BACKGROUND = 0.05
_QUALITY = 62
_ENDS = (0.005, 0.995)
"""Percentiles of the intensities, from black to white, where no scale is known."""


@dataclass(frozen=True)
class Volumes:
    """The volumes that the pictures show, all on the fixed volume's grid.

    fixed: None where it is not available. registered: the moving volume, under the transform (from fixed to moving
    points, LPS mm).
    fixed_scale, registered_scale: how bright an intensity is shown; None for volumes that are in [0, 1] or in colour.
    missing: why there is no fixed volume.
    off: the misalignment, mm, negative where it is unknown; None where it was not measured.
    off_said: the misalignment in one sentence.
    """

    fixed: sitk.Image | None
    registered: sitk.Image
    fused: sitk.Image
    transform: sitk.Transform
    fixed_scale: Scale | None = None
    registered_scale: Scale | None = None
    missing: str = ""
    off: sitk.Image | None = None
    off_said: str = ""


Load = Callable[[], Volumes]


def pictures_of(volumes: Volumes, *, misalignment: bool = False) -> dict[str, str]:
    """Return data addresses of pictures by name: fixed, registered, fused, and headers where the transform is linear.

    All have the same size. ``headers`` is the moving volume where its header has it, as far as the result shows it.
    Where the misalignment is known, ``misalignment`` is a picture of it, and ``misalignmentSaid`` its sentence.
    misalignment: whether to measure it where it is unknown.
    """
    shown = {"registered": brightness(volumes.registered, volumes.registered_scale), "fused": volumes.fused}
    if volumes.fixed is not None:
        shown["fixed"] = brightness(volumes.fixed, volumes.fixed_scale)
    if volumes.transform.IsLinear():
        moved = shown["registered"]
        back = volumes.transform.GetInverse()
        shown["headers"] = sitk.Resample(moved, moved, back, sitk.sitkLinear, 0.0, moved.GetPixelID())
    places = _places(shown.get("fixed", volumes.fused), shown["registered"])
    scale = _pixels_per_mm(volumes.fused, places)
    sizes = [np.maximum(1, np.multiply(_sides(volumes.fused, place), scale).astype(int)).tolist() for place in places]
    found = {name: _address(_strip(_tiles(image, places), sizes)) for name, image in shown.items()}
    if volumes.fixed is not None and (misalignment or volumes.off is not None):
        off, said = _misalignment(volumes.fixed, volumes.registered, volumes.off, volumes.off_said)
        scale = scale_mm(sitk.GetArrayViewFromImage(off))
        pairs = zip(_tiles(shown["fixed"], places), _tiles(off, places), strict=True)
        tiles = [coloured(_grey_tile(grey), distance / scale) for grey, distance in pairs]
        found |= {"misalignment": _address(_strip(tiles, sizes)), "misalignmentSaid": said}
    return found


def _misalignment(
    fixed: sitk.Image, registered: sitk.Image, off: sitk.Image | None, said: str
) -> tuple[sitk.Image, str]:
    """The misalignment, mm on the fixed grid, and its sentence; measured if it is unknown."""
    if off is None:
        images = prepare(Volume(fixed, "fixed")), prepare(Volume(registered, "registered"))
        measured = measure_misalignment(*images, sitk.Transform(3, sitk.sitkIdentity))
        off, said = measured.on_grid(fixed)[0], summarise(measured).sentence()
    distance = sitk.GetArrayViewFromImage(off)
    scale = f"Yellow: {scale_mm(distance):g} mm. " if (distance >= 0).any() else ""
    return off, scale + said


def brightness(image: sitk.Image, scale: Scale | None) -> sitk.Image:
    """The image as it is shown: float32 in [0, 1], or uint8 RGB."""
    if image.GetNumberOfComponentsPerPixel() > 1:
        return image
    voxels = sitk.GetArrayViewFromImage(image)
    if scale is None and not 0 <= voxels.min() <= voxels.max() <= 1:
        scale = tuple(np.quantile(voxels, _ENDS).tolist()), (0.0, 1.0)
    shown = sitk.GetImageFromArray(voxels.astype(np.float32) if scale is None else _interpolated(voxels, scale))
    shown.CopyInformation(image)
    return shown


def _interpolated(voxels: np.ndarray, scale: Scale) -> np.ndarray:
    return np.interp(voxels, *scale).astype(np.float32)


def _grey(slices: np.ndarray) -> np.ndarray:
    return slices.max(axis=-1) / np.float32(255) if slices.ndim == 4 else slices


def _places(fixed: sitk.Image, registered: sitk.Image) -> list[tuple[Plane, int, tuple[slice, slice]]]:
    """For each plane, the middle slice of the region that both show, and the rows and columns with content."""
    places = []
    for plane in _PLANES:
        a, b = (_grey(slices_view(image, plane)) for image in (fixed, registered))
        both = (a * b).reshape(len(a), -1).sum(axis=1, dtype=np.float64)
        content = both if both.any() else a.reshape(len(a), -1).sum(axis=1, dtype=np.float64)
        index = min(int(np.searchsorted(np.cumsum(content), content.sum() / 2)), len(a) - 1)
        lit = np.maximum(a[index], b[index]) > _BACKGROUND
        places.append((plane, index, (_range(lit.any(axis=1)), _range(lit.any(axis=0)))))
    return places


def _range(lit: np.ndarray) -> slice:
    filled = np.flatnonzero(lit)
    return slice(max(0, int(filled[0]) - 2), int(filled[-1]) + 3) if filled.size else slice(None)


def _pixels_per_mm(image: sitk.Image, places: list[tuple[Plane, int, tuple[slice, slice]]]) -> float:
    """The scale at which the three planes fit beside each other."""
    sides = np.array([_sides(image, place) for place in places])
    room = _WIDTH - _GAP * (len(places) - 1)
    return float(min(room / sides[:, 1].sum(), _HEIGHT / sides[:, 0].max()))


def _sides(image: sitk.Image, place: tuple[Plane, int, tuple[slice, slice]]) -> tuple[float, float]:
    """Height and width of a picture, mm."""
    plane, index, box = place
    shape = slices_view(image, plane)[index][box].shape
    _, height, width = slice_spacing(image, plane)
    return shape[0] * height, shape[1] * width


def _tiles(image: sitk.Image, places: list[tuple[Plane, int, tuple[slice, slice]]]) -> list[np.ndarray]:
    """The slice of each place, (H, W) or (H, W, 3)."""
    return [slices_view(image, plane)[index][box] for plane, index, box in places]


def _grey_tile(tile: np.ndarray) -> np.ndarray:
    return tile.max(axis=-1) / np.float32(255) if tile.ndim == 3 else tile


def _strip(tiles: list[np.ndarray], sizes: list[list[int]]) -> Image.Image:
    """Tiles side by side, on black. sizes: height and width of each in pixels."""
    strip = Image.new("RGB", (_WIDTH, _HEIGHT))
    left = (_WIDTH - sum(width for _, width in sizes) - _GAP * (len(sizes) - 1)) // 2
    for tile, (height, width) in zip(tiles, sizes, strict=True):
        pixels = tile if tile.dtype == np.uint8 else np.round(tile.clip(0, 1) * 255).astype(np.uint8)
        picture = Image.fromarray(np.ascontiguousarray(pixels)).resize((width, height), Image.Resampling.BICUBIC)
        strip.paste(picture, (left, (_HEIGHT - height) // 2))
        left += width + _GAP
    return strip


def _address(picture: Image.Image) -> str:
    """A picture as a data address: WebP, or JPEG where Pillow was built without it."""
    kind = "webp" if features.check("webp") else "jpeg"
    content = io.BytesIO()
    picture.save(content, kind.upper(), quality=_QUALITY)
    return f"data:image/{kind};base64,{base64.b64encode(content.getvalue()).decode('ascii')}"


FAILED, UNCHECKED = "failed", "unchecked"
_TRUST = ("bad", "doubtful", UNCHECKED, FAILED, "good")
"""From the least trusted to the most trusted."""

_RESULT = "result.json"

_FIGURES = (
    ("Moved", "moved_mm", "{:.1f} mm"),
    ("Turned", "rotation_degrees", "{:.1f}°"),
    ("Best match elsewhere", "better_mm", "{:.1f} mm away"),
    ("Mutual information", "mutual_information_after", "{:.2f}"),
    ("Correlation", "correlation_after", "{:.2f}"),
    ("Overlap", "overlap_after", "{:.0%}"),
)
"""Title, name and format of the metrics that a row shows."""


@dataclass(frozen=True)
class QcCase:
    """One row of the page.

    level: good, doubtful, bad, ``UNCHECKED`` or ``FAILED``. reason: of the verdict, or why it failed.
    figures: title and text. notes: sentences that change how the result is read.
    load: reads the volumes; None where there are none.
    """

    name: str
    level: str
    reason: str
    figures: tuple[tuple[str, str], ...] = ()
    notes: tuple[str, ...] = ()
    apart_mm: float = 0.0
    load: Load | None = None

    @property
    def distrust(self) -> tuple[int, float, str]:
        """Sorts cases: the least trusted first."""
        return _TRUST.index(self.level), -self.apart_mm, self.name


def find_cases(folder: Path) -> list[QcCase]:
    """Return the cases that a folder holds, the least trusted first.

    folder: what ``csafusion batch`` wrote to, or one that holds folders of saved results
    (:meth:`CSAFusionLib.fusion.result.FusionResult.save`).

    Raises InputError when it is neither, or a record in it is damaged.
    """
    if not folder.is_dir():
        raise InputError(f"'{folder}' is not a folder; give the one that csafusion batch wrote to.")
    results = sorted(file.parent for file in folder.glob(f"*/{_RESULT}"))
    if results:
        cases = [_of_result(result) for result in results]
    else:
        cases = [_of_record(record) for record in read_records(folder)]
    return sorted(cases, key=lambda case: case.distrust)


def _of_record(record: Record) -> QcCase:
    if record.failed:
        return QcCase(record.name, FAILED, record.sentence)
    return _case(record.name, record.values, partial(_load_record, record))


def _of_result(folder: Path) -> QcCase:
    try:
        saved = checks.mapping(json.loads((folder / _RESULT).read_text(encoding="utf-8")), "saved result")
        provenance = checks.mapping(saved.get("provenance"), "provenance")
    except (OSError, ValueError, RecursionError, InputError):
        return QcCase(folder.name, FAILED, f"Its {_RESULT} cannot be read; save the result again.")
    return _case(folder.name, provenance, partial(_load_result, folder, provenance))


def _case(name: str, values: Mapping[str, Any], load: Load) -> QcCase:
    """A case from its provenance; entries in the format of another version are left out."""
    registration = _mapping(values.get("registration"))
    verdict, metric = (_mapping(registration.get(key)) for key in ("verdict", "metric"))
    level = str(verdict.get("level", UNCHECKED))
    kinds = " to ".join(str(_mapping(values.get(role)).get("modality", "?")) for role in ("moving", "fixed"))
    by = str(registration.get("method", "?")).lower()
    figures = [("Modalities", kinds), ("Registration", by)]
    figures += [(title, form.format(metric[key])) for title, key, form in _FIGURES if _is_number(metric.get(key))]
    misalignment = _mapping(registration.get("misalignment")).get("sentence")
    said = [misalignment] if misalignment else []
    warnings = values.get("warnings")
    said += warnings if isinstance(warnings, list) else []
    reason = str(verdict.get("reason", "Nothing was checked."))
    return QcCase(
        name=name,
        level=level if level in _TRUST else UNCHECKED,
        reason=reason,
        figures=tuple(figures),
        notes=tuple(str(one) for one in said if reason not in str(one)),
        apart_mm=float(metric["better_mm"]) if _is_number(metric.get("better_mm")) else 0.0,
        load=load,
    )


def _load_record(record: Record) -> Volumes:
    values = record.values
    named = str(values.get("orientation") or Orientation.HEADER.name).upper()
    orientation = Orientation[named] if named in Orientation.__members__ else Orientation.HEADER
    fused, registered = (read_volume(record.output(role)).image for role in ("fused", "registered"))
    fixed: sitk.Image | None = None
    missing = ""
    try:
        fixed = _read_fixed(record.input("fixed"), values.get("volume"), orientation)
        if fixed.GetSize() != fused.GetSize():
            fixed, missing = None, f"The fixed volume '{record.input('fixed')}' is not the one that was fused."
    except InputError as error:
        missing = f"The fixed volume is not shown: {error}"
    return Volumes(
        fixed,
        registered,
        fused,
        read_transform(record.output("transform")),
        _scale(values.get("fixed")),
        _scale(values.get("moving")),
        missing,
        _read_off(record),
        str(_mapping(_mapping(values.get("registration")).get("misalignment")).get("sentence", "")),
    )


def _read_off(record: Record) -> sitk.Image | None:
    """The misalignment map of a case; None where it no longer exists."""
    if "misalignment" not in record.values["outputs"]:
        return None
    try:
        return read_volume(record.output("misalignment")).image
    except InputError:
        return None


def _load_result(folder: Path, provenance: Mapping[str, Any]) -> Volumes:
    fixed, registered, fused = (
        read_volume(folder / f"{name}.nrrd", keep_shear=True).image
        for name in ("fixed_mapped", "moving_mapped", "fused")
    )
    return Volumes(fixed, registered, fused, read_transform(folder / "transform.h5"))


def _scale(role: Any) -> tuple[tuple[float, ...], tuple[float, ...]] | None:
    """The intensities of a role and the brightness of each, according to the provenance."""
    told = _mapping(role)
    knee = _mapping(told.get("knee"))
    if not (_is_number(told.get("black")) and _is_number(told.get("white"))):
        return None
    black, white = float(told["black"]), float(told["white"])
    if _is_number(knee.get("value")) and _is_number(knee.get("brightness")):
        return (black, float(knee["value"]), white), (0.0, float(knee["brightness"]), 1.0)
    return (black, white), (0.0, 1.0)


def _read_fixed(path: Path, choice: Any, orientation: Orientation) -> sitk.Image:
    """The fixed volume of a case. choice: what its ``--volume`` was, "2", "2,1" or None."""
    numbers = [int(part) for part in str(choice or "").split(",") if part.strip().isdecimal()]
    try:
        return read_volume(path, numbers[0] if len(numbers) > 1 else None, orientation=orientation).image
    except SeveralVolumesError:
        return read_volume(path, numbers[0] if numbers else None, orientation=orientation).image


def _mapping(value: Any) -> Mapping[str, Any]:
    return value if isinstance(value, dict) else {}


def _is_number(value: Any) -> bool:
    return isinstance(value, (int, float)) and math.isfinite(value)
