"""Write volumes of one grid as one file with a fourth dimension, without ever holding more than one of them."""

from __future__ import annotations

import zlib
from collections.abc import Callable, Iterator
from dataclasses import replace
from functools import partial
from pathlib import Path

import numpy as np
import SimpleITK as sitk

from CSAFusionLib.errors import InputError
from CSAFusionLib.files.atomic_write import Unwritable, Writer
from CSAFusionLib.geometry.grid import ijk_to_lps
from CSAFusionLib.volumes.nifti_orientation import Orientation
from CSAFusionLib.volumes.reading import stored_volume
from CSAFusionLib.volumes.volume_series import SeriesTimes
from CSAFusionLib.volumes.writing import CHUNK, CORNERS_APART_MM, Layout, encode_pieces, layout_like, volume_writer

_RGB24, _BITS = (70, 128), (72, 24)
"""Where a NIfTI header has the number type and the bits of a voxel, and what they are for colours."""
_UNITS, _MILLIMETRES = 123, 2
"""Where it has the units, and those of a file that says nothing of time."""


class Spool:
    """Volumes of one grid and number type on their way to a file, kept in a temporary one.

    Args:
        file: where they are kept; not there yet.
    """

    def __init__(self, file: Path) -> None:
        self._file = file
        self._like: sitk.Image | None = None
        self._shape: tuple[int, ...] = ()
        self.count = 0

    def add(self, image: sitk.Image) -> None:
        """Append a volume.

        Raises InputError when the disk refuses it.
        """
        voxels = np.ascontiguousarray(sitk.GetArrayViewFromImage(image))
        if self._like is None:
            self._like, self._shape = image, voxels.shape
            self._number_type = voxels.dtype
        assert voxels.shape == self._shape and voxels.dtype == self._number_type
        try:
            with self._file.open("ab") as stream:
                stream.write(voxels.reshape(-1).view(np.uint8).data)
        except OSError as error:
            raise InputError(
                f"The fused volumes cannot be kept in '{self._file.parent}' ({error.strerror}); make room there."
            ) from error
        self.count += 1

    def image(self, index: int) -> sitk.Image:
        """A volume by its index from 0."""
        assert self._like is not None
        image = sitk.GetImageFromArray(np.array(self._voxels()[index]), isVector=self._is_colour)
        image.CopyInformation(self._like)
        return image

    def volume_writer(self, index: int, on_chunk: Callable[[], None]) -> Writer:
        """What writes one volume by itself."""

        def write(path: Path) -> None:
            volume_writer(self.image(index), on_chunk)(path)

        return write

    def writer(self, times: SeriesTimes | None, on_chunk: Callable[[], None]) -> Writer:
        """What writes all of them as one file, which is then read back.

        times: their step goes into the header, where it is always the same.
        """

        def write(path: Path) -> None:
            layout = self._layout(path, times)
            are_floats = self._number_type.kind == "f"
            encode_pieces(self._pieces(), layout, path, on_chunk, are_floats=are_floats)
            self._check(path, layout, on_chunk)

        return write

    @property
    def _is_colour(self) -> bool:
        return len(self._shape) == 4

    def _voxels(self) -> np.ndarray:
        return np.memmap(self._file, self._number_type, "r", shape=(self.count, *self._shape))

    def _pieces(self) -> Iterator[bytes]:
        with self._file.open("rb") as stream:
            yield from iter(partial(stream.read, CHUNK), b"")

    def _layout(self, path: Path, times: SeriesTimes | None) -> Layout:
        assert self._like is not None
        size = (*self._like.GetSize(), self.count)
        is_nifti = path.name.endswith((".nii", ".nii.gz"))
        # ITK would write colours as five dimensions, one colour behind the other, which hardly any program shows.
        components = 1 if is_nifti else self._like.GetNumberOfComponentsPerPixel()
        pixel = sitk.sitkUInt8 if is_nifti and self._is_colour else self._like.GetPixelID()
        layout = layout_like(_voxel(self._like, pixel, components, times), size, path)
        header = bytearray(layout.header)
        if is_nifti and self._is_colour:
            for place, value in (_RGB24, _BITS):
                header[place : place + 2] = value.to_bytes(2, "little")
        if is_nifti and (times is None or times.step is None):
            header[_UNITS] = _MILLIMETRES
        return replace(layout, header=bytes(header), by_component=False)

    def _check(self, path: Path, layout: Layout, on_chunk: Callable[[], None]) -> None:
        """Raise Unwritable unless the file holds the volumes, where they lie."""
        expected = zlib.crc32(layout.header) if layout.in_stream else 0
        for piece in self._pieces():
            expected = zlib.crc32(piece, expected)
        found = 0
        stream = None if layout.compression is None else zlib.decompressobj(wbits=layout.compression)
        with path.open("rb") as source:
            source.seek(0 if layout.in_stream else len(layout.header))
            while piece := source.read(CHUNK):
                on_chunk()
                try:
                    found = zlib.crc32(piece if stream is None else stream.decompress(piece), found)
                except zlib.error as error:
                    raise Unwritable("the disk does not keep it whole") from error
        if found != expected or (stream is not None and not stream.eof):
            raise Unwritable("the disk does not keep it whole")
        self._check_header(path)

    def _check_header(self, path: Path) -> None:
        assert self._like is not None
        stored = stored_volume(path, Orientation.HEADER)
        components = self._like.GetNumberOfComponentsPerPixel()
        found = stored.size, stored.series, stored.number_type.newbyteorder("="), stored.components
        if found != (self._like.GetSize(), self.count, self._number_type, components):
            raise Unwritable("this format cannot hold its type of voxels; save it as .nrrd or .mha")
        corner = [*(length - 1 for length in stored.size), 1]
        apart = np.abs((stored.affine - ijk_to_lps(self._like)) @ corner).max()
        apart = max(apart, np.abs(stored.affine[:3, 3] - self._like.GetOrigin()).max())
        if apart > max(CORNERS_APART_MM, 1e-6 * np.abs(self._like.GetOrigin()).max()):
            raise Unwritable(
                f"this format would put it up to {apart:.2g} mm from where it lies; save it as .nrrd or .mha"
            )


def _voxel(like: sitk.Image, pixel: int, components: int, times: SeriesTimes | None) -> sitk.Image:
    """A 4-D image of one voxel that lies where a volume lies, its fourth side the time from one to the next."""
    step = (times.step if times is not None else None) or 1.0
    voxel = sitk.Image([1] * 4, pixel, components)
    voxel.SetSpacing((*like.GetSpacing(), step))
    voxel.SetOrigin((*like.GetOrigin(), times.starts[0] if times is not None else 0.0))
    direction = np.eye(4)
    direction[:3, :3] = np.reshape(like.GetDirection(), (3, 3))
    voxel.SetDirection(direction.ravel().tolist())
    return voxel
