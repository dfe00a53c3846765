"""Small sound volumes of every format that is read, to be damaged: one head-like ball, so that all can be fused."""

from __future__ import annotations

import bz2
import gzip
import zlib
from collections.abc import Callable
from pathlib import Path

import numpy as np

from Testing.volumes.stored_files import compressed_metaimage, metaimage, nifti, nifti_pair, nrrd

SHAPE = (12, 24, 24)
# As all others, with the first voxel at 0 and axes that run to left, posterior and superior.
_ROWS = np.array([[-0.9, 0, 0, 0], [0, -0.9, 0, 0], [0, 0, 3.0, 0]])


def ball(seed: int = 0, dtype: str = "i2") -> np.ndarray:
    """A ball of textured tissue in air, indexed k, j, i."""
    z, y, x = np.meshgrid(*[np.linspace(-1, 1, length) for length in SHAPE], indexing="ij")
    texture = np.random.default_rng(seed).uniform(80, 200, SHAPE)
    return np.where(x**2 + y**2 + z**2 < 0.8, texture, 3 * texture / 200).astype(dtype)


def _nifti(folder: Path) -> Path:
    return nifti(folder / "a.nii", ball(), codes=(1, 2), quaternion=(0, 0, 1, 0, 0, 0.5), rows=_ROWS)


def _nifti_gz(folder: Path) -> Path:
    return nifti(folder / "a.nii.gz", ball(dtype="f4"), scaling=(2.0, -5.0), rows=_ROWS)


def _nifti_2(folder: Path) -> Path:
    return nifti(folder / "a.nii", ball(dtype="f8"), second=True, rows=_ROWS)


def _pair(folder: Path) -> Path:
    return nifti_pair(folder, ball(), rows=_ROWS)


def _analyze(folder: Path) -> Path:
    return nifti_pair(folder, ball(), magic=bytes(4))


def _an_nrrd(path: Path, voxels: np.ndarray, **fields) -> Path:
    return nrrd(path, voxels, **{"space_origin": "(0,0,0)"} | fields)


def _nrrd(folder: Path) -> Path:
    return _an_nrrd(folder / "a.nrrd", ball(dtype="f4"))


def _nrrd_gzip(folder: Path) -> Path:
    return _an_nrrd(folder / "a.nrrd", ball(), data=gzip.compress(ball().tobytes()), encoding="gzip")


def _nrrd_bzip2(folder: Path) -> Path:
    return _an_nrrd(folder / "a.nrrd", ball(), data=bz2.compress(ball().tobytes()), encoding="bzip2")


def _nrrd_text(folder: Path) -> Path:
    return _an_nrrd(
        folder / "a.nrrd", ball(), data=" ".join(map(str, ball().ravel())).encode(), encoding="ascii", endian=""
    )


def _nrrd_detached(folder: Path) -> Path:
    for number, one in enumerate(ball()):
        (folder / f"s{number:02d}.raw").write_bytes(one.tobytes())
    return _an_nrrd(folder / "a.nhdr", ball(), data=b"", data_file=f"s%02d.raw 0 {SHAPE[0] - 1} 1")


def _nrrd_colour(folder: Path) -> Path:
    colours = np.stack([ball(seed, "u1") for seed in range(3)], axis=-1)
    directions = "none (0.9,0,0) (0,0.9,0) (0,0,3)"
    return _an_nrrd(folder / "a.nrrd", colours, space_directions=directions, kinds="RGB-color domain domain domain")


def _metaimage(folder: Path) -> Path:
    return metaimage(folder / "a.mha", ball(dtype="f4"), Offset="0 0 0")


def _metaimage_compressed(folder: Path) -> Path:
    return compressed_metaimage(folder / "a.mha", ball(), Offset="0 0 0")


def _metaimage_detached(folder: Path) -> Path:
    (folder / "a.zraw").write_bytes(zlib.compress(ball().tobytes()))
    return metaimage(
        folder / "a.mhd", ball(), data=b"", ElementDataFile="a.zraw", CompressedData="True", Offset="0 0 0"
    )


def _dicom(folder: Path) -> Path:
    return _series(folder)


def _dicom_rle(folder: Path) -> Path:
    return _series(folder, compressed=True)


def _series(folder: Path, *, compressed: bool = False) -> Path:
    from pydicom.uid import RLELossless

    for number, one in enumerate(ball()):
        dataset = _slice(number)
        dataset.ImagePositionPatient = [0, 0, 3 * number]
        dataset.ImageOrientationPatient = [1, 0, 0, 0, 1, 0]
        dataset.PixelSpacing = [0.9, 0.9]
        dataset.PixelData = one.tobytes()
        if compressed:
            dataset.compress(RLELossless)
        dataset.save_as(folder / f"{number:03d}.dcm", enforce_file_format=True)
    return folder


def _dicom_frames(folder: Path) -> Path:
    """An enhanced CT: all slices in one file, each with its place in the functional groups."""
    from pydicom.dataset import Dataset

    dataset = _slice(0, sop_class="1.2.840.10008.5.1.4.1.1.2.1")
    dataset.NumberOfFrames = SHAPE[0]
    shared = Dataset()
    shared.PlaneOrientationSequence = [_of(ImageOrientationPatient=[1, 0, 0, 0, 1, 0])]
    shared.PixelMeasuresSequence = [_of(PixelSpacing=[0.9, 0.9], SliceThickness=3)]
    shared.PixelValueTransformationSequence = [_of(RescaleSlope=1, RescaleIntercept=0, RescaleType="US")]
    dataset.SharedFunctionalGroupsSequence = [shared]
    frames = []
    for number in range(SHAPE[0]):
        frame = Dataset()
        frame.PlanePositionSequence = [_of(ImagePositionPatient=[0, 0, 3 * number])]
        frame.FrameContentSequence = [_of(InStackPositionNumber=number + 1, StackID="1")]
        frames.append(frame)
    dataset.PerFrameFunctionalGroupsSequence = frames
    dataset.PixelData = ball().tobytes()
    dataset.save_as(folder / "a.dcm", enforce_file_format=True)
    return folder / "a.dcm"


def _slice(number: int, *, sop_class: str = "1.2.840.10008.5.1.4.1.1.2"):
    from pydicom.dataset import FileDataset, FileMetaDataset
    from pydicom.uid import ExplicitVRLittleEndian

    meta = FileMetaDataset()
    meta.MediaStorageSOPClassUID = sop_class
    meta.MediaStorageSOPInstanceUID = f"1.2.826.0.1.3680043.2.1125.7.{number + 1}"
    meta.TransferSyntaxUID = ExplicitVRLittleEndian
    dataset = FileDataset("", {}, file_meta=meta, preamble=bytes(128))
    dataset.SOPClassUID, dataset.SOPInstanceUID = sop_class, meta.MediaStorageSOPInstanceUID
    dataset.StudyInstanceUID, dataset.SeriesInstanceUID = "1.2.826.0.1.3680043.2.1125.8", "1.2.826.0.1.3680043.2.1125.9"
    dataset.FrameOfReferenceUID = "1.2.826.0.1.3680043.2.1125.10"
    dataset.Modality, dataset.InstanceNumber = "MR", number + 1
    dataset.Rows, dataset.Columns = SHAPE[1:]
    dataset.SamplesPerPixel, dataset.PhotometricInterpretation = 1, "MONOCHROME2"
    dataset.BitsAllocated = dataset.BitsStored = 16
    dataset.HighBit, dataset.PixelRepresentation = 15, 1
    return dataset


def _of(**elements: object):
    from pydicom.dataset import Dataset

    dataset = Dataset()
    for name, value in elements.items():
        setattr(dataset, name, value)
    return dataset


ORIGINALS: dict[str, Callable[[Path], Path]] = {
    "NIfTI": _nifti,
    "NIfTI gz": _nifti_gz,
    "NIfTI-2": _nifti_2,
    "NIfTI pair": _pair,
    "Analyze": _analyze,
    "NRRD": _nrrd,
    "NRRD gzip": _nrrd_gzip,
    "NRRD bzip2": _nrrd_bzip2,
    "NRRD text": _nrrd_text,
    "NRRD slices": _nrrd_detached,
    "NRRD colour": _nrrd_colour,
    "MetaImage": _metaimage,
    "MetaImage zlib": _metaimage_compressed,
    "MetaImage zraw": _metaimage_detached,
    "DICOM": _dicom,
    "DICOM RLE": _dicom_rle,
    "DICOM frames": _dicom_frames,
}
"""What makes a volume in an empty folder and returns what a user would give, for each format by name."""
