from __future__ import annotations

import json
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
import SimpleITK as sitk

from CSAFusionLib.errors import InputError
from CSAFusionLib.training.dataset import DataSet, SlicesOfKind
from CSAFusionLib.training.pairs import PairKind, read_luminance, read_pairs, read_slice_pairs


@pytest.fixture
def slices(tmp_path: Path) -> Path:
    for folder in ("SPECT-MRI/SPECT", "SPECT-MRI/MRI"):
        (tmp_path / folder).mkdir(parents=True)
    for value, name in enumerate(("10001", "10002", "22001")):
        colour = np.full((20, 24, 3), (200, 100, 50 + value), np.uint8)
        sitk.WriteImage(sitk.GetImageFromArray(colour, isVector=True), str(tmp_path / f"SPECT-MRI/SPECT/{name}.png"))
        grey = np.full((20, 24), 10 * value, np.uint8)
        sitk.WriteImage(sitk.GetImageFromArray(grey), str(tmp_path / f"SPECT-MRI/MRI/{name}.png"))
    return tmp_path


def described(slices: Path) -> SlicesOfKind:
    names = {"train": ["10001", "10002"], "val": ["22001"]}
    return SlicesOfKind(slices / "SPECT-MRI/SPECT", slices / "SPECT-MRI/MRI", names, digits_of_slice=3)


def test_the_split_decides_which_pairs_are_read(slices: Path) -> None:
    assert [pair.name for pair in read_slice_pairs(described(slices), PairKind.SPECT_MRI, "train")] == [
        "10001",
        "10002",
    ]
    (pair,) = read_slice_pairs(described(slices), PairKind.SPECT_MRI, "val")
    assert pair.a.shape == pair.b.shape == (20, 24)
    assert pair.b == pytest.approx(np.full((20, 24), 20 / 255))


def test_colour_is_read_as_luminance(slices: Path) -> None:
    expected = (0.299 * 200 + 0.587 * 100 + 0.114 * 50) / 255
    assert read_luminance(slices / "SPECT-MRI/SPECT/10001.png") == pytest.approx(np.full((20, 24), expected), abs=1e-5)


def test_the_patient_is_the_name_without_the_digits_of_the_slice(slices: Path) -> None:
    pairs = read_slice_pairs(described(slices), PairKind.SPECT_MRI, "train")
    assert [pair.patient for pair in pairs] == ["10", "10"]


def test_a_kind_that_the_data_set_does_not_have_is_named(slices: Path, tmp_path: Path) -> None:
    dataset = DataSet({PairKind.SPECT_MRI: described(slices)})
    with pytest.raises(InputError, match=r"no pairs of CT-MRI for train.*split\.json"):
        read_pairs(dataset, [PairKind.SPECT_MRI, PairKind.CT_MRI], "train", registered=tmp_path)


@pytest.mark.parametrize("names", [{"train": ["10001"]}, {"train": ["10001"], "val": []}])
def test_a_split_without_the_wanted_part_is_named(slices: Path, tmp_path: Path, names: dict[str, list[str]]) -> None:
    dataset = DataSet({PairKind.SPECT_MRI: replace(described(slices), names=names)})
    with pytest.raises(InputError, match="no pairs of SPECT-MRI for val"):
        read_pairs(dataset, [PairKind.SPECT_MRI], "val", registered=tmp_path)


@pytest.mark.parametrize("kind", [PairKind.CT_MRI, PairKind.SPECT_MRI])
def test_no_patient_of_the_real_data_is_both_trained_and_validated_on(shared_data: Path, kind: PairKind) -> None:
    split = json.loads((shared_data / "slices" / "split.json").read_text())[kind.value]
    patients = [{name[:2] for name in split[part]} for part in ("train", "val")]
    assert all(patients)
    assert not patients[0] & patients[1]
