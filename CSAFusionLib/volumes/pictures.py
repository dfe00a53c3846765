"""Read and write 2-D pictures."""

from __future__ import annotations

import io
import struct
from pathlib import Path

import numpy as np
from PIL import Image

from CSAFusionLib import lazy_simpleitk as sitk
from CSAFusionLib.errors import InputError
from CSAFusionLib.files.atomic_write import Writer, atomic_write, check_is_text, content_writer
from CSAFusionLib.logs import itk_warnings_off
from CSAFusionLib.volumes.input_path import check_input_path


def lay_on_black(image: sitk.Image) -> tuple[sitk.Image, tuple[str, ...]]:
    """Return an RGBA image of 8 or 16 bits as RGB, blended onto black, and a note; any other image unchanged."""
    eight_or_sixteen = sitk.sitkVectorUInt8, sitk.sitkVectorUInt16
    if image.GetNumberOfComponentsPerPixel() != 4 or image.GetPixelID() not in eight_or_sixteen:
        return image, ()
    voxels = sitk.GetArrayViewFromImage(image)
    white = np.iinfo(voxels.dtype).max
    if (voxels[..., 3] == white).all():
        colours = voxels[..., :3].copy()
    else:
        colours = (voxels[..., :3] * (voxels[..., 3:] / np.float32(white))).round().astype(voxels.dtype)
    laid = sitk.GetImageFromArray(colours, isVector=True)
    laid.CopyInformation(image)
    return laid, ("has four numbers in each voxel, which were read as RGB and opacity and blended onto black.",)


def read_picture(path: str | Path) -> np.ndarray:
    """Read a 2-D picture as it is stored: grey (H, W) or RGB (H, W, 3), uint8 or uint16.

    A palette is expanded to RGB. Transparent pixels are blended onto black. Raises InputError when the file is missing,
    cannot be read, or is not a 2-D picture of 8 or 16 bits.
    """
    path = Path(path)
    check_input_path(path)
    pixels = _usual_png(path)
    return _read_by_itk(path) if pixels is None else pixels


_PNG_HEAD = struct.Struct(">16xIIBBBBB")
"""Width, height, bits, colour, compression, filter and interlacing, after the signature and the chunk's own head."""
_GREY, _RGB = 0, 2
_MOST_PIXELS = 2**26


def _usual_png(path: Path) -> np.ndarray | None:
    """The pixels of a grey or RGB PNG of 8 bits without transparency; None for any other file and for a damaged one.

    Pillow returns the same pixels as ITK, which takes a tenth of a second to load.
    """
    with path.open("rb") as file:
        head = file.read(_PNG_HEAD.size)
    if len(head) < _PNG_HEAD.size or not head.startswith(b"\x89PNG\r\n\x1a\n\x00\x00\x00\rIHDR"):
        return None
    width, height, bits, colour, *_ = _PNG_HEAD.unpack(head)
    if bits != 8 or colour not in (_GREY, _RGB) or width * height > _MOST_PIXELS:
        return None
    try:
        with Image.open(path, formats=["PNG"]) as picture:
            pixels = np.array(picture)
            is_opaque = "transparency" not in picture.info
    except (OSError, SyntaxError, ValueError):
        return None
    return pixels if is_opaque else None


def _read_by_itk(path: Path) -> np.ndarray:
    check_is_text(path)
    try:
        with itk_warnings_off():
            picture = sitk.ReadImage(str(path))
    except RuntimeError as error:
        raise InputError(f"'{path}' cannot be read as a picture; save it as a grey or RGB PNG.") from error
    if picture.GetDimension() != 2:
        raise InputError(f"'{path}' is not a 2-D picture; give a PNG file.")
    pixels = sitk.GetArrayFromImage(picture)
    components = picture.GetNumberOfComponentsPerPixel()
    if pixels.dtype not in (np.uint8, np.uint16) or components not in (1, 3, 4):
        raise InputError(f"'{path}' is not a grey or RGB picture of 8 or 16 bits; save it as one.")
    return _on_black(pixels) if components == 4 else pixels


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
    """Return the function that writes a picture, as :func:`write_picture` takes it, and reads it back."""
    content = io.BytesIO()
    Image.fromarray(array).save(content, "PNG")
    return content_writer(content.getvalue())


def _on_black(pixels: np.ndarray) -> np.ndarray:
    opacity = pixels[..., 3:] / np.iinfo(pixels.dtype).max
    return (pixels[..., :3] * opacity).round().astype(pixels.dtype)
