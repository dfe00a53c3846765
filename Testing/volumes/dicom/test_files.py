"""CSAFusionLib/volumes/dicom/files.py."""

from __future__ import annotations

import os
from pathlib import Path

import pytest
from pydicom.config import disable_value_validation

from CSAFusionLib.errors import InputError
from CSAFusionLib.volumes.dicom.elements import DIRECTORY, Kind
from CSAFusionLib.volumes.dicom.files import (
    describe_file,
    find_dicom,
    holds_dicom,
    is_dicom,
    listed_by_directory,
    readable,
)
from Testing.volumes.dicom.objects import image, item, save, write_classic


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
