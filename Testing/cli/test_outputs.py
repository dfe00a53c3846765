"""CSAFusionLib.cli.outputs"""

from __future__ import annotations

import sys
from pathlib import Path

import pytest

from CSAFusionLib.cli.outputs import check_extension, check_output_folder, check_outputs, filled_folder
from CSAFusionLib.errors import InputError

posix_only = pytest.mark.skipif(sys.platform == "win32", reason="links need rights on Windows")


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


def test_an_unknown_extension_is_refused_and_the_known_ones_are_named() -> None:
    check_extension(None, (".png",))
    check_extension(Path("A.PNG"), (".png",))
    with pytest.raises(InputError, match="'a.jpg' must end in .png"):
        check_extension(Path("a.jpg"), (".png",))


def test_a_folder_for_outputs_may_be_there_or_be_made_in_a_folder_that_is(tmp_path: Path) -> None:
    check_output_folder(tmp_path)
    check_output_folder(tmp_path / "new")
    with pytest.raises(InputError, match="'.*missing' does not exist"):
        check_output_folder(tmp_path / "missing" / "new")


def test_a_file_is_refused_as_a_folder_for_outputs(tmp_path: Path) -> None:
    (tmp_path / "taken").touch()
    with pytest.raises(InputError, match="taken' is not a folder; give another name with -o"):
        check_output_folder(tmp_path / "taken")


@posix_only
def test_a_link_to_an_input_is_that_input(tmp_path: Path) -> None:
    (tmp_path / "a.nii").touch()
    (tmp_path / "link.nii").symlink_to("a.nii")
    with pytest.raises(InputError, match="link.nii' is an input"):
        check_outputs([tmp_path / "link.nii"], [tmp_path / "a.nii"])


def test_a_folder_that_was_made_for_outputs_goes_when_they_fail(tmp_path: Path) -> None:
    for folder in (tmp_path, tmp_path / "new"):
        with pytest.raises(KeyboardInterrupt), filled_folder(folder):
            assert folder.is_dir()
            raise KeyboardInterrupt
    assert list(tmp_path.iterdir()) == []


def test_a_folder_that_cannot_be_made_is_told(tmp_path: Path) -> None:
    with pytest.raises(InputError, match="cannot be made"), filled_folder(tmp_path / "missing" / "new"):
        pass


@posix_only
def test_a_folder_for_outputs_that_can_never_be_made_is_refused_before_any_work(tmp_path: Path) -> None:
    (tmp_path / "loop").symlink_to("loop")
    (tmp_path / "dangling").symlink_to("gone")
    for name, said in (("loop", "leads back"), ("dangling", "is not a folder"), ("a" * 300, "too long")):
        with pytest.raises(InputError, match=said):
            check_output_folder(tmp_path / name)
