"""Small pictures of a case: three planes side by side, of each volume that a reader compares."""

from __future__ import annotations

import base64
import io
from collections.abc import Callable
from dataclasses import dataclass

import numpy as np
import SimpleITK as sitk
from PIL import Image, features

from CSAFusionLib.geometry.planes import Plane, slice_spacing, slices_view
from CSAFusionLib.registration.misalignment_map import coloured, measure_misalignment, scale_mm, summarise
from CSAFusionLib.registration.preparation import prepare
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
"""Of the intensities, from black to white, where nobody tells how bright one is shown."""


@dataclass(frozen=True)
class Volumes:
    """What the pictures are made of; all on the fixed volume's grid.

    fixed: None where it is not to be had. registered: the moving volume, under the transform (from fixed to moving
    points, LPS mm).
    fixed_scale, registered_scale: how bright an intensity is shown; None for volumes that are in [0, 1] or in colour.
    missing: why there is no fixed volume.
    off: how far off the registration is, mm, negative where nothing is known; None where nobody has measured it.
    off_said: that in a sentence.
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
    Where the misalignment is known, ``misalignment`` is a picture of it, and ``misalignmentSaid`` what it says.
    misalignment: whether to measure it where it is not.
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
    """How far off the registered volume is, mm on the fixed grid, and that in one sentence; measured if need be."""
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
    """For each plane the slice in the middle of what both show, and the rows and columns that hold something."""
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
    """One scale for the three planes, at which they fit beside each other."""
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
