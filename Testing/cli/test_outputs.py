"""CSAFusionLib.cli.outputs"""

from __future__ import annotations

from pathlib import Path

import pytest

from CSAFusionLib.cli.outputs import check_extension, check_folder, check_output_folder, check_outputs, write_together
from CSAFusionLib.errors import InputError


def test_an_output_that_is_an_input_is_refused(tmp_path: Path) -> None:
    with pytest.raises(InputError, match="is an input"):
        check_outputs([tmp_path / "." / "a.nii"], [tmp_path / "a.nii"])


def test_two_outputs_of_one_name_are_refused(tmp_path: Path) -> None:
    with pytest.raises(InputError, match="named for two outputs"):
        check_outputs([tmp_path / "a.png", None, tmp_path / "a.png"], [])


def test_an_output_in_a_missing_folder_is_refused(tmp_path: Path) -> None:
    with pytest.raises(InputError, match="does not exist"):
        check_outputs([tmp_path / "missing" / "a.nii"], [])


def test_an_output_that_is_a_folder_is_refused(tmp_path: Path) -> None:
    with pytest.raises(InputError, match="is a folder"):
        check_outputs([tmp_path], [])


def test_a_file_is_no_folder_for_outputs(tmp_path: Path) -> None:
    (tmp_path / "file").touch()
    with pytest.raises(InputError, match="does not exist"):
        check_folder(tmp_path / "file")


def test_an_unknown_extension_is_refused_and_the_known_ones_are_named() -> None:
    check_extension(None, (".png",))
    check_extension(Path("A.PNG"), (".png",))
    with pytest.raises(InputError, match="'a.jpg' must end in .png"):
        check_extension(Path("a.jpg"), (".png",))


def test_files_appear_together_and_leave_nothing_beside_them(tmp_path: Path) -> None:
    one, two = tmp_path / "one.txt", tmp_path / "two.txt"
    two.write_text("old")
    write_together({one: lambda path: path.write_text("1"), two: lambda path: path.write_text("2")})
    assert (one.read_text(), two.read_text()) == ("1", "2")
    assert sorted(tmp_path.iterdir()) == [one, two]


def test_a_writer_is_given_the_output_s_own_name(tmp_path: Path) -> None:
    names: list[str] = []

    def write(path: Path) -> None:
        names.append(path.name)
        path.touch()

    write_together({tmp_path / "a.nii.gz": write})
    assert names == ["a.nii.gz"]


def test_when_one_file_cannot_be_written_no_file_changes(tmp_path: Path) -> None:
    def fails(path: Path) -> None:
        raise OSError(28, "No space left on device")

    one = tmp_path / "one.txt"
    one.write_text("old")
    with pytest.raises(InputError, match="two.txt' could not be written"):
        write_together({one: lambda path: path.write_text("new"), tmp_path / "two.txt": fails})
    assert one.read_text() == "old"
    assert list(tmp_path.iterdir()) == [one]


def test_a_folder_for_outputs_may_be_there_or_be_made_in_a_folder_that_is(tmp_path: Path) -> None:
    check_output_folder(tmp_path)
    check_output_folder(tmp_path / "new")
    with pytest.raises(InputError, match="'.*missing' does not exist"):
        check_output_folder(tmp_path / "missing" / "new")


def test_a_file_is_refused_as_a_folder_for_outputs(tmp_path: Path) -> None:
    (tmp_path / "taken").touch()
    with pytest.raises(InputError, match="taken' is not a folder; give another name with -o"):
        check_output_folder(tmp_path / "taken")
