"""CSAFusionLib/cli/fuse.py."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest

from CSAFusionLib.cli.fuse import _are_pictures
from CSAFusionLib.errors import InputError
from CSAFusionLib.volumes.pictures import write_picture
from Testing.volumes.dicom.objects import write_classic


@pytest.fixture
def scans(tmp_path: Path) -> tuple[Path, Path]:
    """Two folders of DICOM slices."""
    return write_classic(tmp_path / "ct"), write_classic(tmp_path / "mr")


def with_picture(folder: Path) -> Path:
    folder.mkdir(exist_ok=True)
    write_picture(np.eye(8, dtype=np.uint8), folder / "preview.png")
    return folder


def test_previews_beside_slices_do_not_turn_a_scan_into_pictures(scans: tuple[Path, Path]) -> None:
    fixed, moving = scans
    with_picture(fixed)
    assert not _are_pictures(fixed, moving)
    with_picture(moving)
    assert not _are_pictures(fixed, moving)


def test_folders_of_pictures_alone_are_pictures_and_do_not_go_with_a_scan(
    tmp_path: Path, scans: tuple[Path, Path]
) -> None:
    pictures = with_picture(tmp_path / "a"), with_picture(tmp_path / "b")
    (pictures[0] / "Thumbs.db").write_bytes(b"not an image")
    assert _are_pictures(*pictures)
    with pytest.raises(InputError, match="holds 2-D pictures"):
        _are_pictures(pictures[0], with_picture(scans[0]))
