"""Write volumes and read them back: a file on disk is always complete, and lies where the volume lies."""

from __future__ import annotations

import zlib
from collections.abc import Callable, Iterator
from pathlib import Path

import numpy as np
import SimpleITK as sitk

from CSAFusionLib.errors import InputError
from CSAFusionLib.files.atomic_write import Unwritable, Writer, atomic_write
from CSAFusionLib.files.paths import place_of
from CSAFusionLib.geometry.grid import corners_apart
from CSAFusionLib.logs import itk_warnings_off
from CSAFusionLib.volumes.encoding import CHUNK, Layout, encode, layout_of, voxels_of

CORNERS_APART_MM = 1e-3
"""How far a format may put a corner of a volume from where it lies."""

_SINGLE_PRECISION = 4 * float(np.finfo(np.float32).eps)


def check_written(image: sitk.Image, layout: Layout, file: Path, on_chunk: Callable[[], None]) -> None:
    """Raise Unwritable when a file does not hold an image: voxels by their checksum, geometry by the corners.

    on_chunk: called for every piece that is read; it may raise to stop.
    """
    expected = zlib.crc32(layout.header) if layout.in_stream else 0
    for piece in voxels_of(image, layout):
        expected = zlib.crc32(piece, expected)
    found = 0
    try:
        for data in _decompressed(file, layout):
            on_chunk()
            found = zlib.crc32(data, found)
    except zlib.error as error:
        raise Unwritable("the disk does not keep it whole") from error
    if found != expected:
        raise Unwritable("the disk does not keep it whole")
    _check_header(image, file)


def _decompressed(file: Path, layout: Layout) -> Iterator[bytes]:
    """What a file holds behind its header, or with it, in pieces. Raises zlib.error when the stream has no end."""
    stream = None if layout.compression is None else zlib.decompressobj(wbits=layout.compression)
    with file.open("rb") as source:
        source.seek(0 if layout.in_stream else len(layout.header))
        while piece := source.read(CHUNK):
            yield piece if stream is None else stream.decompress(piece)
    if stream is not None and (not stream.eof or stream.unused_data):
        raise zlib.error("the stream does not end with the file")


def _check_header(image: sitk.Image, file: Path) -> None:
    reader = sitk.ImageFileReader()
    reader.SetFileName(str(file))
    with itk_warnings_off():
        reader.ReadImageInformation()
    found = reader.GetPixelID(), reader.GetNumberOfComponents(), reader.GetSize()
    if found != (image.GetPixelID(), image.GetNumberOfComponentsPerPixel(), image.GetSize()):
        raise Unwritable("this format cannot hold its type of voxels; save it as .nrrd or .mha")
    apart = corners_apart(image, reader)
    # NIfTI keeps positions in single precision, which very far from the scanner's centre is not finer than this.
    if apart > max(CORNERS_APART_MM, _SINGLE_PRECISION * np.abs(image.GetOrigin()).max()):
        raise Unwritable(f"this format would put it up to {apart:.2g} mm from where it lies; save it as .nrrd or .mha")


VOLUME_EXTENSIONS = (".nii.gz", ".nii", ".nrrd", ".mha")


def write_volume(image: sitk.Image, path: str | Path) -> None:
    """Write a volume, compressed where the format can be, read it back, and only then put it in place in one step.

    Raises InputError as :func:`check_output_path` does, when the disk refuses the file, or when the format cannot hold
    the volume or where it lies.
    """
    path = check_output_path(path)
    atomic_write({path: volume_writer(image)})


def volume_writer(image: sitk.Image, on_chunk: Callable[[], None] = lambda: None, *, compressed: bool = True) -> Writer:
    """Return what writes a volume to a path that ends in one of ``VOLUME_EXTENSIONS``, and reads it back.

    on_chunk: called for every piece, of about a megabyte; it may raise to stop.
    """

    def write(path: Path) -> None:
        layout = layout_of(image, path, compressed=compressed)
        encode(image, layout, path, on_chunk)
        check_written(image, layout, path, on_chunk)

    return write


def check_output_path(path: str | Path) -> Path:
    """Check, before any long work, that a volume can be written to ``path``; returns it as a Path.

    Raises InputError for an extension that is not .nii, .nii.gz, .nrrd or .mha, and as
    :func:`CSAFusionLib.files.paths.place_of` does.
    """
    path = Path(path)
    if not path.name.lower().endswith(VOLUME_EXTENSIONS):
        raise InputError(
            f"'{path}' is not a volume format that can be written; end it in .nii, .nii.gz, .nrrd or .mha."
        )
    place_of(path)
    return path
