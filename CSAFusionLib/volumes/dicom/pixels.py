"""Decode the stored values of a DICOM file, whatever their transfer syntax."""

from __future__ import annotations

import tempfile
from collections import defaultdict
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np
import SimpleITK as sitk

from CSAFusionLib.volumes.dicom.frames import Frame, Scale, chosen_scales, frame_count, size_of
from CSAFusionLib.volumes.dicom.headers import HeaderError, number_of, read_whole, readable, text_of
from CSAFusionLib.volumes.dicom.stacking import Stack, shifted

if TYPE_CHECKING:
    from pydicom import Dataset

_PIXEL_DATA = ("PixelData", "FloatPixelData", "DoubleFloatPixelData")
_BITS_ALLOCATED = (1, 8, 16, 32, 64)
_RLE = "1.2.840.10008.1.2.5"
# A frame compressed by more than this is refused: its header claims a size that its data do not have.
_MOST_COMPRESSED = 2000
# An object of a neutral kind, so that ITK returns stored values unchanged.
_PLAIN_OBJECT = "1.2.840.10008.5.1.4.1.1.7.3"
_COPIED = (
    "SamplesPerPixel", "PhotometricInterpretation", "PlanarConfiguration", "Rows", "Columns", "BitsAllocated",
    "BitsStored", "HighBit", "PixelRepresentation",
)  # fmt: skip


def stored_values(dataset: Dataset) -> np.ndarray:
    """Return the stored values of every frame, (F, H, W), or RGB, (F, H, W, 3), where the file is in colour.

    Unused bits are cleared. Monochrome values stay as they are stored, even if the lowest is displayed as white.

    Raises HeaderError if the data do not match the header, or cannot be decoded.
    """
    _check_header(dataset)
    compressed = dataset.file_meta.TransferSyntaxUID.is_encapsulated
    values = _decompressed(dataset) if compressed else _native(dataset)
    colour = number_of(dataset, "SamplesPerPixel") == 3
    values = values.reshape(frame_count(dataset), *size_of(dataset), *((3,) if colour else ()))
    in_palette = text_of(dataset, "PhotometricInterpretation") == "PALETTE COLOR"
    return _through_palette(dataset, values) if in_palette else values


def _check_header(dataset: Dataset) -> None:
    if not any(keyword in dataset for keyword in _PIXEL_DATA):
        raise HeaderError("holds no image, or is cut off before it; copy or export it again")
    if number_of(dataset, "SamplesPerPixel") not in (None, 1, 3):
        raise HeaderError(f"has {number_of(dataset, 'SamplesPerPixel'):g} values in each voxel, where 1 or 3 are read")
    allocated, stored = number_of(dataset, "BitsAllocated"), number_of(dataset, "BitsStored")
    if allocated not in _BITS_ALLOCATED or not 0 < (allocated if stored is None else stored) <= allocated:
        raise HeaderError(f"says that {stored or 0:g} of {allocated or 0:g} bits are used in each voxel")


def _native(dataset: Dataset) -> np.ndarray:
    from pydicom.pixels.utils import get_expected_length

    rows, columns = size_of(dataset)
    expected = get_expected_length(dataset)
    data = next(dataset[keyword].value for keyword in _PIXEL_DATA if keyword in dataset)
    there = len(data or b"")
    if there < expected:
        raise HeaderError(f"holds {there} bytes of voxels, where its header says {expected}; copy or export it again")
    # Some writers pad with zeros; more than a row or a column of them, or other bytes, mean a wrong header.
    surplus = bytes(data[expected:])
    if len(surplus) > 1 and (any(surplus) or len(surplus) * min(rows, columns) * frame_count(dataset) > expected):
        raise HeaderError(f"holds {there} bytes of voxels, where its header says {expected}; export it again")
    return _used_bits(dataset, dataset.pixel_array)


def _used_bits(dataset: Dataset, values: np.ndarray) -> np.ndarray:
    """Clear the unused bits, which may hold an old overlay, and extend the sign over them."""
    allocated, stored = (int(number_of(dataset, keyword) or 0) for keyword in ("BitsAllocated", "BitsStored"))
    high = number_of(dataset, "HighBit")
    lowest = (stored - 1 if high is None else int(high)) + 1 - stored
    if values.dtype.kind not in "iu" or not 0 < stored < allocated or not 0 <= lowest <= allocated - stored:
        return values
    left = allocated - stored - lowest
    return (values << left) >> (left + lowest)


def _decompressed(dataset: Dataset) -> np.ndarray:
    from pydicom.encaps import generate_frames

    count = frame_count(dataset)
    offsets = None
    if "ExtendedOffsetTable" in dataset and "ExtendedOffsetTableLengths" in dataset:
        offsets = (dataset.ExtendedOffsetTable, dataset.ExtendedOffsetTableLengths)
    frames = list(generate_frames(dataset.PixelData, number_of_frames=count, extended_offsets=offsets))
    if len(frames) != count:
        raise HeaderError(f"says that it holds {count} frames and holds {len(frames)}; export it again")
    rows, columns = size_of(dataset)
    claimed = rows * columns * int(number_of(dataset, "BitsAllocated") or 8) // 8
    if any(claimed > _MOST_COMPRESSED * len(frame) + 2**20 for frame in frames):
        raise HeaderError("holds far too little data for the size that its header says; copy or export it again")
    # GDCM, inside ITK, swaps the bytes of RLE colours of more than 8 bits.
    by_itk = dataset.file_meta.TransferSyntaxUID != _RLE
    decoded = _decompressed_by_itk(dataset, frames) if by_itk else None
    return _decompressed_by_pydicom(dataset) if decoded is None else decoded


def _decompressed_by_itk(dataset: Dataset, frames: list[bytes]) -> np.ndarray | None:
    """The frames decoded by ITK, which knows most syntaxes; None where it cannot.

    It gets a file with only the compressed frames and their format, and so neither rescales nor inverts.
    """
    with tempfile.TemporaryDirectory(prefix="csafusion-") as folder:
        file = Path(folder) / "frames.dcm"
        _bare_copy(dataset, frames).save_as(file, enforce_file_format=True)
        try:
            image = sitk.ReadImage(str(file))
        except RuntimeError:
            return None
    values = sitk.GetArrayFromImage(image)
    wanted = (len(frames), *size_of(dataset))
    return values if values.shape[:3] == wanted or values.shape[:2] == wanted[1:] and len(frames) == 1 else None


def _bare_copy(dataset: Dataset, frames: list[bytes]) -> Dataset:
    from pydicom import Dataset
    from pydicom.dataset import FileMetaDataset
    from pydicom.encaps import encapsulate
    from pydicom.uid import UID, generate_uid

    bare = Dataset()
    bare.file_meta = FileMetaDataset()
    bare.file_meta.TransferSyntaxUID = dataset.file_meta.TransferSyntaxUID
    bare.file_meta.MediaStorageSOPClassUID = bare.SOPClassUID = UID(_PLAIN_OBJECT)
    bare.file_meta.MediaStorageSOPInstanceUID = bare.SOPInstanceUID = generate_uid()
    bare.StudyInstanceUID, bare.SeriesInstanceUID, bare.Modality = generate_uid(), generate_uid(), "OT"
    for keyword in _COPIED:
        if keyword in dataset:
            setattr(bare, keyword, dataset[keyword].value)
    if number_of(dataset, "SamplesPerPixel") != 3:
        bare.PhotometricInterpretation = "MONOCHROME2"
    bare.NumberOfFrames = len(frames)
    bare.PixelData = encapsulate(frames)
    bare["PixelData"].VR = "OB"
    return bare


def _decompressed_by_pydicom(dataset: Dataset) -> np.ndarray:
    syntax = dataset.file_meta.TransferSyntaxUID
    try:
        return dataset.pixel_array
    except (RuntimeError, NotImplementedError, AttributeError, ValueError) as error:
        raise HeaderError(
            f"is damaged, or compressed in an unsupported way ({syntax.name}); export it uncompressed"
        ) from error


def _through_palette(dataset: Dataset, values: np.ndarray) -> np.ndarray:
    """Stored indices as RGB through the file's own palette, 8 bits."""
    from pydicom.pixels import apply_color_lut

    if "RedPaletteColorLookupTableDescriptor" not in dataset and "PaletteColorLookupTableUID" not in dataset:
        raise HeaderError("is a PALETTE COLOR image without a palette; export it again as grey or RGB")
    colours = apply_color_lut(values, dataset)
    return colours if colours.dtype == np.uint8 else (colours >> 8).astype(np.uint8)


# Whole numbers up to this are exact in float32.
_EXACT_IN_FLOAT32 = 2**24


def image_of(stack: Stack) -> sitk.Image:
    """Return a stack as an image: scalar float32 (float64 where that would round whole numbers), or RGB as stored.

    Raises:
        HeaderError: some slices are in colour and others are not.
        InputError: the voxels of a file cannot be read, or do not fit its header.
    """
    voxels = _voxels(stack)
    image = sitk.GetImageFromArray(voxels, isVector=voxels.ndim == 4)
    image.SetOrigin(stack.origin.tolist())
    image.SetSpacing(stack.spacing)
    image.SetDirection(stack.direction.ravel().tolist())
    return image


def stored_frames(frames: list[Frame]) -> list[np.ndarray]:
    """Return the stored values of frames, (H, W) or RGB (H, W, 3) each, in their order; each file is read once."""
    in_files: dict[str, list[int]] = defaultdict(list)
    for number, frame in enumerate(frames):
        in_files[str(frame.file)].append(number)
    found: dict[int, np.ndarray] = {}
    for numbers in in_files.values():
        file = frames[numbers[0]].file
        dataset = read_whole(file)
        with readable(file):
            values = stored_values(dataset)
        found.update({number: values[frames[number].index] for number in numbers})
    return [found[number] for number in range(len(frames))]


def _voxels(stack: Stack) -> np.ndarray:
    planes = stored_frames(list(stack.frames))
    if len({plane.ndim for plane in planes}) > 1:
        raise HeaderError("has slices in grey and slices in colour; give slices of one scan")
    if planes[0].ndim == 3:
        kind = np.result_type(*planes)
        straight = [_straight(plane, aside) for plane, aside in zip(planes, stack.aside, strict=True)]
        return np.stack(straight).astype(kind)
    scales = chosen_scales([frame.scales for frame in stack.frames])
    voxels = np.empty((len(planes), *planes[0].shape), _number_type(planes, scales))
    for number, (plane, scale, aside) in enumerate(zip(planes, scales, stack.aside, strict=True)):
        voxels[number] = shifted(scale.apply(plane), aside)
    return voxels


def _straight(plane: np.ndarray, aside: np.ndarray) -> np.ndarray:
    return np.rint(shifted(plane, aside)) if aside.any() else plane


def _number_type(planes: list[np.ndarray], scales: list[Scale]) -> type:
    """float64 if float32 would round the stored values, else float32."""
    wide = any(
        plane.dtype == np.float64 or (plane.dtype.itemsize > 2 and plane.dtype.kind in "iu" and _large(plane))
        for plane in planes
    )
    return np.float64 if wide else np.float32


def _large(plane: np.ndarray) -> bool:
    return int(plane.max()) > _EXACT_IN_FLOAT32 or int(plane.min()) < -_EXACT_IN_FLOAT32
