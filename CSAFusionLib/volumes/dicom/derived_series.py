"""A fused volume as a DICOM series of the fixed volume's patient and study, which an archive takes back.

Both grey and colour become secondary captures, one per slice: no archive refuses that class, no attributes of a
    modality need to be invented for pixels that no scanner measured, and with position, orientation and frame of
    reference every reader places them correctly. Few viewers open parametric maps, which could hold the original
    numbers. Grey is stored
in 16 bits, 0 to 65535 for 0 to 1, without a rescale: viewers round windows to whole numbers.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime
from importlib.util import find_spec
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np
import SimpleITK as sitk

import CSAFusionLib
from CSAFusionLib.errors import InputError
from CSAFusionLib.files.atomic_write import Unwritable, Writer, atomic_write, check_folder, is_taken
from CSAFusionLib.geometry.grid import points_of, same_grid
from CSAFusionLib.volumes.dicom.headers import read_header
from CSAFusionLib.volumes.volume import Volume

if TYPE_CHECKING:
    from pydicom import Dataset

    from CSAFusionLib.volumes.dicom.frames import Frame

MOST_GREY = 65535
"""The stored value of 1."""

_AFTER_THE_SOURCES = 1000
# Value, scheme and meaning of the code.
_SOURCE_IMAGE = ("121322", "DCM", "Source image for image processing operation")
_OF_THE_SERIES = ("BodyPartExamined", "PatientPosition", "PositionReferenceIndicator")
_LOSSY = ("LossyImageCompression", "LossyImageCompressionRatio", "LossyImageCompressionMethod")
_PAIRED = frozenset(
    {"ANKLE", "ARM", "BREAST", "CALCANEUS", "CLAVICLE", "ELBOW", "EXTREMITY", "EYE", "FEMUR", "FINGER", "FOOT", "HAND"}
    | {"FOREARM", "HIP", "HUMERUS", "KIDNEY", "KNEE", "LEG", "RADIUS", "SHOULDER", "THIGH", "THUMB", "TIBIA", "TOE"}
    | {"WRIST"}
)
_LETTERS = (("L", "R"), ("P", "A"), ("H", "F"))


@dataclass(frozen=True)
class _Series:
    """What all images of the series share."""

    source: Dataset
    uid: str
    number: int
    frame_of_reference: str
    description: str
    made_by: str
    when: datetime


def check_can_be_dicom(fixed: Volume) -> None:
    """Check, before any long work, that a fused volume can become a series of the fixed volume's study.

    Raises InputError where the fixed volume is not DICOM, or the package that writes DICOM is not installed.
    """
    if not fixed.frames:
        raise InputError(
            f"'{fixed.name}' is not a DICOM volume, so a DICOM result has no patient and study to belong to; give "
            f"FIXED as DICOM, or name an output file without --dicom."
        )
    if find_spec("highdicom") is None:
        raise InputError("Writing DICOM needs the package highdicom; install it with: pip install highdicom")


def derived_series(
    fused: sitk.Image, fixed: Volume, moving: Volume | None = None, *, modalities: Sequence[str] = ()
) -> tuple[dict[str, Writer], list[str]]:
    """Return a writer for each file of a series, by file name, and warnings that change how it is read.

    Args:
        fused: scalar in [0, 1], or RGB uint8; its axes at right angles.
        fixed: the DICOM volume whose patient, study and frame of reference the series gets.
        moving: the other volume; its images are referenced if it is DICOM.
        modalities: what was fused, for the series description.

    Raises:
        InputError: as :func:`check_can_be_dicom` does.
    """
    check_can_be_dicom(fixed)
    moving_frames = moving.frames if moving is not None else ()
    shared = _series_of(fixed.frames[0], modalities)
    warnings = _warnings(shared.source, moving_frames)
    ours, others = _references(fixed.frames), _references(moving_frames)
    is_on_fixed = same_grid(fused, fixed.image)
    pixels = _stored(fused)
    writers: dict[str, Writer] = {}
    for number, values in enumerate(pixels):
        sources = [ours[number]] if is_on_fixed else ours
        writers[f"IM{number + 1:05d}.dcm"] = _writer(shared, fused, number, values, [*sources, *others])
    return writers, warnings


def write_series(
    fused: sitk.Image, fixed: Volume, moving: Volume | None, folder: Path, *, modalities: Sequence[str] = ()
) -> list[str]:
    """Write a series, as :func:`derived_series` makes it, to a folder, created if it does not exist; all files or none.

    Returns warnings that change how the series is read.

    Raises InputError as ``derived_series`` does, and for a folder that cannot be used or is not empty.
    """
    if is_taken(folder):
        raise InputError(f"'{folder}' is not a folder; give another name.")
    check_folder(folder if folder.is_dir() else folder.parent)
    check_is_empty(folder)
    writers, warnings = derived_series(fused, fixed, moving, modalities=modalities)
    is_new = not folder.exists()
    folder.mkdir(exist_ok=True)
    try:
        atomic_write({folder / name: write for name, write in writers.items()})
    except BaseException:
        if is_new:
            folder.rmdir()
        raise
    return warnings


def check_is_empty(folder: Path) -> None:
    """Raise InputError for a folder that is not empty: a series is read with all files beside it."""
    if folder.is_dir() and any(folder.iterdir()):
        raise InputError(f"'{folder}' is not empty, and a series is read with all files beside it; name a new folder.")


def _series_of(first: Frame, modalities: Sequence[str]) -> _Series:
    from pydicom.uid import generate_uid

    source = read_header(first.file)
    if not source.get("StudyInstanceUID"):
        raise InputError("FIXED's DICOM header names no study, so a DICOM result cannot be filed; leave out --dicom.")
    frame_of_reference = source.get("FrameOfReferenceUID") or generate_uid(prefix=None)
    fused = " ".join(["Fused", "+".join(modalities)]).strip()
    return _Series(
        source=source,
        uid=generate_uid(prefix=None),
        number=int(source.get("SeriesNumber") or 0) + _AFTER_THE_SOURCES,
        frame_of_reference=str(frame_of_reference),
        description=f"{fused}, research only, not for diagnosis"[:64],
        made_by=f"CSAFusion {CSAFusionLib.__version__}",
        when=datetime.now(),
    )


def _warnings(source: Dataset, moving: Sequence[Frame]) -> list[str]:
    if not moving:
        return []
    if source.get("PatientID", "") == read_header(moving[0].file).get("PatientID", ""):
        return []
    return ["The DICOM headers of the two volumes name different patients; the series is filed under the fixed one's."]


def _references(frames: Sequence[Frame]) -> list[Dataset]:
    """An item of the source image sequence for each frame."""
    from highdicom.sr import CodedConcept
    from pydicom import Dataset

    purpose = CodedConcept(*_SOURCE_IMAGE)
    headers: dict[Path, Dataset] = {}
    items = []
    for frame in frames:
        if frame.file not in headers:
            headers[frame.file] = read_header(frame.file)
        item = Dataset()
        item.ReferencedSOPClassUID = headers[frame.file].SOPClassUID
        item.ReferencedSOPInstanceUID = headers[frame.file].SOPInstanceUID
        if "NumberOfFrames" in headers[frame.file]:
            item.ReferencedFrameNumber = frame.index + 1
        item.PurposeOfReferenceCodeSequence = [purpose]
        items.append(item)
    return items


def _stored(fused: sitk.Image) -> np.ndarray:
    """The pixels of each slice as they are stored: uint16 (S, H, W), or uint8 (S, H, W, 3)."""
    values = sitk.GetArrayViewFromImage(fused)
    if values.ndim == 4:
        return np.asarray(values, np.uint8)
    return np.rint(np.clip(values, 0, 1) * MOST_GREY).astype(np.uint16)


def _writer(shared: _Series, fused: sitk.Image, number: int, values: np.ndarray, sources: Sequence[Dataset]) -> Writer:
    def write(path: Path) -> None:
        from pydicom import dcmread
        from pydicom.config import disable_value_validation

        # The patient data of the source are copied unchanged, even where they break a rule.
        with disable_value_validation():
            dataset = _image(shared, fused, number, values)
            dataset.SourceImageSequence = [*sources]
            dataset.save_as(path, enforce_file_format=True)
        if dcmread(path).PixelData != dataset.PixelData:
            raise Unwritable("the disk does not keep it whole")

    return write


def _image(shared: _Series, fused: sitk.Image, number: int, values: np.ndarray) -> Dataset:
    """One slice as a secondary capture with its place."""
    from highdicom.sc import SCImage
    from pydicom.uid import ExplicitVRLittleEndian, generate_uid

    is_grey = values.ndim == 2
    across, down, thickness = fused.GetSpacing()
    image = SCImage(
        pixel_array=np.ascontiguousarray(values),
        photometric_interpretation="MONOCHROME2" if is_grey else "RGB",
        bits_allocated=16 if is_grey else 8,
        coordinate_system="PATIENT",
        study_instance_uid=shared.source.StudyInstanceUID,
        series_instance_uid=shared.uid,
        series_number=shared.number,
        sop_instance_uid=generate_uid(prefix=None),
        instance_number=number + 1,
        manufacturer="CSAFusion",
        manufacturer_model_name="CSAFusion",
        software_versions=shared.made_by,
        series_description=shared.description,
        pixel_spacing=(down, across),
        patient_orientation=_patient_orientation(fused),
        transfer_syntax_uid=ExplicitVRLittleEndian,
        # This character set can hold every name of the source.
        specific_character_set="ISO_IR 192",
        content_date=shared.when.date(),
        content_time=shared.when.time(),
        series_date=shared.when.date(),
        series_time=shared.when.time(),
    )
    _place(image, shared, fused, number, thickness)
    _describe(image, shared)
    if is_grey:
        image.WindowCenter, image.WindowWidth = (MOST_GREY + 1) // 2, MOST_GREY + 1
    return image


def _place(image: Any, shared: _Series, fused: sitk.Image, number: int, thickness: float) -> None:
    from pydicom.valuerep import DS

    direction = np.reshape(fused.GetDirection(), (3, 3))
    position = points_of(fused, np.array([[number, 0, 0]]))[0]
    image.FrameOfReferenceUID = shared.frame_of_reference
    image.ImageOrientationPatient = [DS(float(x), auto_format=True) for x in direction[:, :2].T.ravel()]
    image.ImagePositionPatient = [DS(float(x), auto_format=True) for x in position]
    image.SliceThickness = image.SpacingBetweenSlices = DS(float(thickness), auto_format=True)


def _describe(image: Any, shared: _Series) -> None:
    """Describe the image, and state that it is not for diagnosis."""
    image.copy_patient_and_study_information(shared.source)
    for name in (*_OF_THE_SERIES, *_LOSSY):
        if name in shared.source:
            setattr(image, name, shared.source[name].value)
    image.PositionReferenceIndicator = shared.source.get("PositionReferenceIndicator", "")
    side, part = shared.source.get("Laterality", ""), str(shared.source.get("BodyPartExamined") or "").upper()
    # Of a paired or an unknown body part it may be empty, but not missing; of any other it must not be there.
    if side or not part or part in _PAIRED:
        image.Laterality = side
    image.ConversionType = "WSD"
    image.ImageType = ["DERIVED", "SECONDARY", "FUSED"]
    image.BurnedInAnnotation = "NO"
    image.ContentQualification = "RESEARCH"
    image.DerivationDescription = f"{shared.description}; made by {shared.made_by} from two registered volumes."


def _patient_orientation(fused: sitk.Image) -> tuple[str, str]:
    """The directions of rows and columns, as the letters of the nearest patient directions."""
    direction = np.reshape(fused.GetDirection(), (3, 3))
    letters = []
    for way in (direction[:, 0], direction[:, 1]):
        axis = int(np.abs(way).argmax())
        letters.append(_LETTERS[axis][0 if way[axis] > 0 else 1])
    return letters[0], letters[1]
