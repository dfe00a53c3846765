"""Read and write 2-D pictures."""

from __future__ import annotations

import io
from pathlib import Path

import numpy as np
import SimpleITK as sitk
from PIL import Image

from CSAFusionLib.errors import InputError
from CSAFusionLib.files.atomic_write import Writer, atomic_write, content_writer
from CSAFusionLib.logs import itk_warnings_off
from CSAFusionLib.volumes.input_path import check_input_path

_RGBA = (sitk.sitkVectorUInt8, sitk.sitkVectorUInt16)


def lay_on_black(image: sitk.Image) -> tuple[sitk.Image, tuple[str, ...]]:
    """Return an RGBA image of 8 or 16 bits as RGB, blended onto black, and a note; any other image unchanged."""
    if image.GetNumberOfComponentsPerPixel() != 4 or image.GetPixelID() not in _RGBA:
        return image, ()
    voxels = sitk.GetArrayViewFromImage(image)
    white = np.iinfo(voxels.dtype).max
    if (voxels[..., 3] == white).all():
        colours = voxels[..., :3].copy()
    else:
        colours = (voxels[..., :3] * (voxels[..., 3:] / np.float32(white))).round().astype(voxels.dtype)
    laid = sitk.GetImageFromArray(colours, isVector=True)
    laid.CopyInformation(image)
    return laid, ("has four numbers in each voxel, which were taken for RGB and opacity, and laid on black.",)


_PIXEL_TYPES = (sitk.sitkUInt8, sitk.sitkUInt16, sitk.sitkVectorUInt8, sitk.sitkVectorUInt16)


def read_picture(path: str | Path) -> sitk.Image:
    """Read a 2-D picture as it is stored: grey (one component) or RGB (three), of 8 or 16 bits.

    A palette is expanded to RGB. Transparent pixels are blended onto black.
    Raises InputError when the file is missing, cannot be read, or is no 2-D picture of 8 or 16 bits.
    """
    path = Path(path)
    check_input_path(path)
    try:
        with itk_warnings_off():
            picture = sitk.ReadImage(str(path))
    except RuntimeError as error:
        raise InputError(f"'{path}' cannot be read as a picture; save it as a grey or RGB PNG.") from error
    if picture.GetDimension() != 2:
        raise InputError(f"'{path}' is not a 2-D picture; give a PNG file.")
    if picture.GetPixelID() not in _PIXEL_TYPES or picture.GetNumberOfComponentsPerPixel() not in (1, 3, 4):
        raise InputError(f"'{path}' is not a grey or RGB picture of 8 or 16 bits; save it as one.")
    return _on_black(picture) if picture.GetNumberOfComponentsPerPixel() == 4 else picture


def write_picture(array: np.ndarray, path: str | Path) -> None:
    """Write a PNG atomically.

    array: uint8, (H, W) grey or (H, W, 3) RGB.
    Raises InputError for another extension than .png, a missing folder, or when the disk refuses the file.
    """
    path = Path(path)
    if path.suffix.lower() != ".png":
        raise InputError(f"'{path}' is not a picture format that can be written; end it in .png.")
    atomic_write({path: picture_writer(array)})


def picture_writer(array: np.ndarray) -> Writer:
    """Return what writes a picture as :func:`write_picture` takes it as a PNG, and reads it back."""
    content = io.BytesIO()
    Image.fromarray(array).save(content, "PNG")
    return content_writer(content.getvalue())


def _on_black(picture: sitk.Image) -> sitk.Image:
    pixels = sitk.GetArrayViewFromImage(picture)
    opacity = pixels[..., 3:] / np.iinfo(pixels.dtype).max
    return sitk.GetImageFromArray((pixels[..., :3] * opacity).round().astype(pixels.dtype), isVector=True)
