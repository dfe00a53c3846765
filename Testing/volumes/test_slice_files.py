"""CSAFusionLib/volumes/slice_files.py."""

from __future__ import annotations

from pathlib import Path

import pytest

from CSAFusionLib.volumes.input_path import listed_files, numbered_files

HERE = Path("folder")


@pytest.mark.parametrize(
    ("pattern", "limits", "names"),
    [
        ("s%03d.raw", ("8", "10", "1"), ["s008.raw", "s009.raw", "s010.raw"]),
        ("s%d.raw", ("1", "5", "2"), ["s1.raw", "s3.raw", "s5.raw"]),
        ("%2d", ("3", "1", "-1"), [" 3", " 2", " 1"]),
        ("s%n%s.raw", ("1", "2", "1"), []),
        ("s%d.raw", ("1", "x", "1"), []),
        ("s%d.raw", ("1", "2", "0"), []),
        ("s%d.raw", ("1", "999999999", "1"), []),
        ("none.raw", ("1", "2", "1"), []),
    ],
)
def test_numbers_fill_the_place_in_a_pattern(pattern: str, limits: tuple[str, ...], names: list[str]) -> None:
    assert [file.name for file in numbered_files(HERE, pattern, limits)] == names


def test_a_list_names_a_file_in_each_line_that_follows(tmp_path: Path) -> None:
    header = tmp_path / "a.nhdr"
    header.write_bytes(b"NRRD0004\ndata file: LIST 2\r\na.raw\r\n\nb c.raw\n")
    assert listed_files(header, after=b"LIST", folder=HERE) == (HERE / "a.raw", HERE / "b c.raw")
    header.write_bytes(b"NRRD0004\n")
    assert listed_files(header, after=b"LIST", folder=HERE) == ()
