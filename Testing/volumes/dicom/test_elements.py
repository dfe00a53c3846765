"""Elements of a DICOM header, kinds of objects, and the files of a folder."""

from __future__ import annotations

import os
from pathlib import Path

import pytest
from pydicom import Dataset, dcmread, uid
from pydicom.config import disable_value_validation

from CSAFusionLib.errors import InputError
from CSAFusionLib.volumes.dicom.headers import (
    DIRECTORY,
    HeaderError,
    Kind,
    describe_file,
    find_dicom,
    holds_dicom,
    is_dicom,
    kind_of,
    listed_by_directory,
    name_of,
    number_of,
    numbers_of,
    printable,
    readable,
    text_of,
)
from Testing.volumes.dicom.objects import image, item, save, write_classic


def position_read_from(path: Path, text: str) -> Dataset:
    """A header, as read from a file, that holds some text as a decimal string for the position."""
    dataset = image("2", "CT", (6, 8), 1)
    # As LO, which pydicom writes whatever it is; then under the name of a decimal string.
    dataset.add_new("ImagePositionPatient", "LO", text)
    save(dataset, path)
    path.write_bytes(path.read_bytes().replace(b"\x20\x00\x32\x00LO", b"\x20\x00\x32\x00DS"))
    return dcmread(path)


def test_a_comma_is_read_as_a_decimal_point(tmp_path: Path) -> None:
    header = position_read_from(tmp_path / "a.dcm", "0\\-1,5\\4.25")
    assert numbers_of(header, "ImagePositionPatient") == (0, -1.5, 4.25)


@pytest.mark.parametrize("text", ["1\\x\\3", "1\\2", "1\\2\\3\\4", "1\\nan\\3", "1,234.5\\2\\3", "1_0\\2\\3", "1\\\\3"])
def test_what_is_no_position_is_told_in_words(tmp_path: Path, text: str) -> None:
    with pytest.raises(HeaderError, match=r"gives '.*' for Image Position \(Patient\), where 3 numbers should be"):
        numbers_of(position_read_from(tmp_path / "a.dcm", text), "ImagePositionPatient", 3)


def test_an_element_that_is_missing_or_empty_is_none() -> None:
    assert number_of(item(), "RescaleSlope") is None
    assert number_of(item(RescaleSlope=None), "RescaleSlope") is None
    assert text_of(item(), "SeriesDescription") == ""


def test_control_characters_never_reach_a_sentence() -> None:
    assert printable("head\x1b[31m\r\n\x07 1\u202e") == "head [31m 1"
    assert len(printable("long " * 50)) == 64


@pytest.mark.parametrize(
    ("sop_class", "kind"),
    [
        (uid.CTImageStorage, Kind.IMAGE),
        (uid.EnhancedMRImageStorage, Kind.IMAGE),
        (uid.LegacyConvertedEnhancedPETImageStorage, Kind.IMAGE),
        (uid.NuclearMedicineImageStorage, Kind.IMAGE),
        (uid.ParametricMapStorage, Kind.IMAGE),
        (uid.EnhancedUSVolumeStorage, Kind.IMAGE),
        (uid.RTDoseStorage, Kind.DOSE),
        (uid.SecondaryCaptureImageStorage, Kind.PICTURE),
        (uid.XRayAngiographicImageStorage, Kind.PICTURE),
        (uid.DigitalXRayImageStorageForPresentation, Kind.PICTURE),
        (uid.SegmentationStorage, Kind.SEGMENTATION),
        (uid.RTStructureSetStorage, Kind.NO_IMAGE),
        (uid.ComprehensiveSRStorage, Kind.NO_IMAGE),
        (uid.GrayscaleSoftcopyPresentationStateStorage, Kind.NO_IMAGE),
        (uid.SpatialRegistrationStorage, Kind.NO_IMAGE),
        (uid.RealWorldValueMappingStorage, Kind.NO_IMAGE),
        (uid.EncapsulatedPDFStorage, Kind.NO_IMAGE),
        (uid.MediaStorageDirectoryStorage, Kind.NO_IMAGE),
    ],
)
def test_every_object_that_lies_beside_a_scan_has_its_kind(sop_class: str, kind: Kind) -> None:
    assert kind_of(sop_class, "ORIGINAL\\PRIMARY\\AXIAL") is kind


def test_a_localizer_is_a_picture() -> None:
    assert kind_of(uid.CTImageStorage, "ORIGINAL\\PRIMARY\\LOCALIZER") is Kind.PICTURE


def test_a_kind_is_named_without_its_last_word() -> None:
    assert name_of(uid.RTStructureSetStorage) == "RT Structure Set"
    assert name_of("1.2.3") == "object of an unknown kind"


def test_a_file_is_known_by_how_it_begins(tmp_path: Path) -> None:
    file = write_classic(tmp_path) / "a000.dcm"
    bare = tmp_path / "bare"
    bare.write_bytes(file.read_bytes()[132:])
    text = tmp_path / "text.dcm"
    text.write_text("not DICOM")
    assert [is_dicom(path) for path in (file, bare, text, tmp_path)] == [True, True, False, False]
    assert describe_file(bare).series == describe_file(file).series


def test_files_are_found_below_a_folder_and_loops_of_links_end(tmp_path: Path) -> None:
    write_classic(tmp_path / "study" / "series")
    (tmp_path / "study" / "notes.txt").write_text("nothing")
    os.symlink(tmp_path / "study", tmp_path / "study" / "loop")
    assert [file.path.name for file in find_dicom(tmp_path)] == [f"a00{number}.dcm" for number in range(4)]
    assert holds_dicom(tmp_path) and not holds_dicom(tmp_path / "nowhere")


def test_a_file_without_an_image_is_no_image(tmp_path: Path) -> None:
    dataset = image("4", "MR", (6, 8), 1)
    del dataset.Rows
    assert describe_file(save(dataset, tmp_path / "a.dcm")).kind is Kind.NO_IMAGE


def test_a_directory_lists_the_files_below_it_and_no_others(tmp_path: Path) -> None:
    for name in ("DISK/CT/A001", "DISK/CT/A002", "ELSEWHERE/A000"):
        save(image("2", "CT", (6, 8), 1), tmp_path / name)
    names = (["CT", "A001"], ["..", "ELSEWHERE", "A000"], "MISSING")
    directory = image("1", "OT", (1, 1), 1)
    directory.SOPClassUID = DIRECTORY
    with disable_value_validation():
        directory.DirectoryRecordSequence = [item(ReferencedFileID=name) for name in names] + [item()]
    path = save(directory, tmp_path / "DISK" / "DICOMDIR")
    assert [file.path.name for file in listed_by_directory(path)] == ["A001"]


def test_what_pydicom_raises_for_a_damaged_file_is_one_sentence(tmp_path: Path) -> None:
    file = write_classic(tmp_path) / "a000.dcm"
    content = bytearray(file.read_bytes())
    place = content.index(b"\x28\x00\x10\x00US")
    content[place + 6] = 3  # Rows, three bytes long.
    file.write_bytes(content)
    with pytest.raises(InputError, match="a000.dcm' is a DICOM file that cannot be read; copy or export it again."):
        describe_file(file)


def test_control_characters_of_a_file_name_stay_out_of_the_sentence() -> None:
    with pytest.raises(InputError) as refusal, readable(Path("a\x1b[31m\nb.dcm")):
        raise ValueError
    assert "'a?[31m?b.dcm'" in str(refusal.value)
