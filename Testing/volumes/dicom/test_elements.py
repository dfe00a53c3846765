"""CSAFusionLib/volumes/dicom/elements.py."""

from __future__ import annotations

from pathlib import Path

import pytest
from pydicom import Dataset, dcmread

from CSAFusionLib.volumes.dicom.elements import HeaderError, number_of, numbers_of, printable, text_of
from Testing.volumes.dicom.objects import image, item, save


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
