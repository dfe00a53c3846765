from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
import SimpleITK as sitk

from CSAFusionLib.errors import InputError
from CSAFusionLib.evaluation.methods.saved_results import read_results
from CSAFusionLib.training.pairs import ImagePair, PairKind
from CSAFusionLib.volumes.pictures import write_picture


def a_pair(kind: PairKind, name: str) -> ImagePair:
    black = np.zeros((20, 24), np.float32)
    return ImagePair(a=black, b=black, kind=kind, name=name)


CT, SPECT = a_pair(PairKind.CT_MRI, "33005"), a_pair(PairKind.SPECT_MRI, "22005")


def save(path: Path, value: int, shape: tuple[int, ...] = (20, 24)) -> None:
    path.parent.mkdir(parents=True, exist_ok=True)
    write_picture(np.full(shape, value, np.uint8), path)


def test_pictures_are_found_by_kind_and_pair(tmp_path: Path) -> None:
    save(tmp_path / "CT-MRI" / "33005.png", 51)
    save(tmp_path / "SPECT-MRI" / "22005.png", 102)
    results = read_results(tmp_path, [CT, SPECT])
    assert results[PairKind.CT_MRI, "33005"] == pytest.approx(np.full((20, 24), 0.2))
    assert results[PairKind.SPECT_MRI, "22005"] == pytest.approx(np.full((20, 24), 0.4))


def test_of_one_kind_they_may_lie_in_the_folder_itself(tmp_path: Path) -> None:
    save(tmp_path / "33005.png", 51)
    assert read_results(tmp_path, [CT])[PairKind.CT_MRI, "33005"].max() == pytest.approx(0.2)


def test_of_several_kinds_they_may_not(tmp_path: Path) -> None:
    save(tmp_path / "33005.png", 51)
    save(tmp_path / "22005.png", 51)
    with pytest.raises(InputError, match=r"CT-MRI/33005\.png' does not exist"):
        read_results(tmp_path, [CT, SPECT])


def test_colour_is_read_as_luminance(tmp_path: Path) -> None:
    (tmp_path / "SPECT-MRI").mkdir()
    write_picture(np.full((20, 24, 3), (200, 100, 50), np.uint8), tmp_path / "SPECT-MRI" / "22005.png")
    (fused,) = read_results(tmp_path, [SPECT]).values()
    assert fused == pytest.approx(np.full((20, 24), (0.299 * 200 + 0.587 * 100 + 0.114 * 50) / 255), abs=1e-5)


def test_another_size_is_refused_with_both_sizes(tmp_path: Path) -> None:
    save(tmp_path / "33005.png", 51, (24, 20))
    with pytest.raises(InputError, match=r"33005\.png' and its sources are 20 x 24 and 24 x 20 pixels"):
        read_results(tmp_path, [CT])


def test_a_picture_of_16_bits_is_refused(tmp_path: Path) -> None:
    sitk.WriteImage(sitk.GetImageFromArray(np.full((20, 24), 30000, np.uint16)), str(tmp_path / "33005.png"))
    with pytest.raises(InputError, match=r"33005\.png' has more than 8 bits"):
        read_results(tmp_path, [CT])
