from __future__ import annotations

import json
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
import SimpleITK as sitk

from CSAFusionLib.errors import InputError
from CSAFusionLib.training.dataset import DataSet, SlicesOfKind, read_dataset
from CSAFusionLib.training.pairs import PairKind, read_luminance, read_pairs, read_slice_pairs

OWN = {
    "slices": {
        "folder": "pictures",
        "split": "patients.json",
        "digits_of_slice": 2,
        "kinds": {"PET-MRI": ["pet", "mr"]},
    },
    "volumes": {
        "folder": "scans",
        "pairs": [
            {"name": "one", "kind": "T1-T2", "split": "train", "a": "1/t1.nii", "b": "1/t2.nii", "register": True},
            {"name": "two", "kind": "CT-MRI", "split": "test", "a": "2/ct.nii", "b": "2/mr.nii", "grid": "b"},
        ],
    },
}


@pytest.fixture
def own(tmp_path: Path) -> Path:
    """A data folder with a description of its own."""
    (tmp_path / "pictures").mkdir()
    (tmp_path / "pictures" / "patients.json").write_text(json.dumps({"PET-MRI": {"train": ["101"], "val": ["201"]}}))
    (tmp_path / "dataset.json").write_text(json.dumps(OWN))
    return tmp_path


def test_a_description_beside_the_data_tells_folders_names_and_splits(own: Path) -> None:
    dataset = read_dataset(own)
    slices = dataset.slices[PairKind.PET_MRI]
    assert (slices.a, slices.b) == (own / "pictures" / "pet", own / "pictures" / "mr")
    assert (slices.names["val"], slices.digits_of_slice) == (["201"], 2)
    one, two = dataset.volumes
    assert (one.a, one.register, one.grid_is_a) == (own / "scans/1/t1.nii", True, True)
    assert one.cached.endswith("_1_t2.nii")
    assert (two.kind, two.register, two.grid_is_a) == (PairKind.CT_MRI, False, False)


def test_a_description_elsewhere_is_taken_when_given(own: Path, tmp_path: Path) -> None:
    other = tmp_path / "other.json"
    other.write_text(json.dumps({"volumes": OWN["volumes"]}))
    dataset = read_dataset(own, other)
    assert not dataset.slices
    assert len(dataset.volumes) == 2


def test_volumes_are_asked_for_by_kind_and_split(own: Path) -> None:
    dataset = read_dataset(own)
    assert [pair.name for pair in dataset.volume_pairs(list(PairKind), "train")] == ["one"]
    assert [pair.name for pair in dataset.volume_pairs([PairKind.CT_MRI], "val", "test")] == ["two"]
    assert dataset.volume_pairs([PairKind.T1_T2], "val", "test") == []


@pytest.mark.parametrize(
    ("content", "told"),
    [
        ("{", "does not describe a data set"),
        ("[1]", "description of a data set"),
        ('{"volumes": {"folder": "scans"}}', "entry without 'pairs'"),
        ('{"volumes": {"folder": "scans", "pairs": [{"name": "x", "kind": "MR-US", "split": "val"}]}}', "MR-US"),
        (
            '{"volumes": {"folder": "s", "pairs": [{"name": "x", "kind": "T1-T2", "split": "dev"}]}}',
            "split of x is dev",
        ),
    ],
)
def test_a_description_that_is_none_is_named(tmp_path: Path, content: str, told: str) -> None:
    (tmp_path / "dataset.json").write_text(content)
    with pytest.raises(InputError, match=told):
        read_dataset(tmp_path)


def test_the_repository_describes_its_own_data(shared_data: Path) -> None:
    dataset = read_dataset(shared_data)
    assert set(dataset.slices) == {PairKind.CT_MRI, PairKind.SPECT_MRI, PairKind.PET_MRI}
    assert all(pair.a.is_file() and pair.b.is_file() for pair in dataset.volumes)


def test_the_stroke_patient_is_not_trained_on(tmp_path: Path) -> None:
    trained = read_dataset(tmp_path).volume_pairs(list(PairKind), "train")
    assert trained and not any("stroke" in pair.name for pair in trained)


def test_no_patient_of_the_volumes_is_in_two_splits(tmp_path: Path) -> None:
    split_of: dict[str, set[str]] = {}
    for pair in read_dataset(tmp_path).volumes:
        split_of.setdefault(pair.name, set()).add(pair.split)
    assert all(len(parts) == 1 for parts in split_of.values())


def test_a_volume_registered_onto_two_others_is_kept_twice(own: Path) -> None:
    onto_both = json.loads(json.dumps(OWN))
    onto_both["volumes"]["pairs"] = [
        {**onto_both["volumes"]["pairs"][0], "name": name, "a": f"1/{name}.nii"} for name in ("t1", "flair")
    ]
    (own / "dataset.json").write_text(json.dumps(onto_both))
    one, two = read_dataset(own).volumes
    assert one.b == two.b
    assert one.cached != two.cached


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
