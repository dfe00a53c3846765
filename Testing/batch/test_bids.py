"""A BIDS data set as cases, and the names of its derivatives."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

from CSAFusionLib.batch.case import Case, Defaults
from CSAFusionLib.batch.case_lists import Selection, cases_of_bids, dataset_files
from CSAFusionLib.errors import InputError
from CSAFusionLib.fusion.settings import FusionSettings

pytest.importorskip("bids", reason="pybids is not installed")

DEFAULTS = Defaults(FusionSettings())


@pytest.fixture
def root(tmp_path: Path) -> Path:
    """Two subjects: one with two sessions and a second PET, one with two T1 images and another without any."""
    (tmp_path / "dataset_description.json").write_text(json.dumps({"Name": "x", "BIDSVersion": "1.10.0"}))
    for name in (
        "sub-1/ses-a/anat/sub-1_ses-a_T1w.nii.gz",
        "sub-1/ses-a/pet/sub-1_ses-a_trc-FDG_pet.nii.gz",
        "sub-1/ses-a/pet/sub-1_ses-a_trc-PIB_rec-acdyn_chunk-2_pet.nii.gz",
        "sub-1/ses-b/pet/sub-1_ses-b_trc-FDG_pet.nii.gz",
        "sub-2/anat/sub-2_run-1_T1w.nii.gz",
        "sub-2/anat/sub-2_run-2_T1w.nii.gz",
        "sub-2/pet/sub-2_pet.nii.gz",
        "sub-3/pet/sub-3_pet.nii.gz",
    ):
        (tmp_path / name).parent.mkdir(parents=True, exist_ok=True)
        (tmp_path / name).touch()
    return tmp_path


def cases(root: Path, fixed: str = "T1w", moving: str = "pet") -> dict[str, Case]:
    found = cases_of_bids(root, Selection.parse(fixed), Selection.parse(moving), DEFAULTS)
    return {case.name: case for case in found}


def test_every_moving_image_goes_with_the_fixed_one_of_its_session_or_subject(root: Path) -> None:
    found = cases(root)
    assert {name: case.fixed.name for name, case in found.items() if case.refusal is None} == {
        "sub-1_ses-a_trc-FDG_pet": "sub-1_ses-a_T1w.nii.gz",
        "sub-1_ses-a_trc-PIB_rec-acdyn_chunk-2_pet": "sub-1_ses-a_T1w.nii.gz",
        "sub-1_ses-b_trc-FDG_pet": "sub-1_ses-a_T1w.nii.gz",
    }
    assert "sub-2_run-2_T1w.nii.gz" in (found["sub-2_pet"].refusal or "")
    assert "'sub-3' has no T1w" in (found["sub-3_pet"].refusal or "")


def test_entities_say_which_images(root: Path) -> None:
    assert cases(root, "T1w,run-1")["sub-2_pet"].refusal is None
    assert list(cases(root, moving="pet,trc-PIB")) == ["sub-1_ses-a_trc-PIB_rec-acdyn_chunk-2_pet"]


def test_names_are_those_of_derivatives(root: Path) -> None:
    place = cases(root)["sub-1_ses-a_trc-PIB_rec-acdyn_chunk-2_pet"].place
    stem = "sub-1_ses-a_trc-PIB_rec-acdyn"
    assert str(place.folder) == "sub-1/ses-a/pet"
    assert place.fused == f"{stem}_space-T1w_chunk-2_desc-fused_pet.nii.gz"
    assert place.registered == f"{stem}_space-T1w_chunk-2_desc-registered_pet.nii.gz"
    assert place.transform == f"{stem}_chunk-2_from-pet_to-T1w_mode-image_xfm"
    assert place.sidecar == f"{stem}_space-T1w_chunk-2_desc-fused_pet.json"
    off, deviation, picture = place.misalignment
    assert off == f"{stem}_space-T1w_chunk-2_desc-misalignment_pet.nii.gz"
    assert deviation == f"{stem}_space-T1w_chunk-2_desc-misalignmentDeviation_pet.nii.gz"
    assert picture == off.replace(".nii.gz", ".png")
    assert set(place.map_sidecars) == {name.replace(".nii.gz", ".json") for name in (off, deviation)}
    assert place.described["Sources"] == [
        "bids:raw:sub-1/ses-a/anat/sub-1_ses-a_T1w.nii.gz",
        "bids:raw:sub-1/ses-a/pet/sub-1_ses-a_trc-PIB_rec-acdyn_chunk-2_pet.nii.gz",
    ]
    assert place.described["SpatialReference"] == place.described["Sources"][0]
    assert not place.whole


def test_no_two_cases_share_a_file(root: Path) -> None:
    places = [case.place for case in cases(root).values()]
    names = [(place.folder, name) for place in places for name in (place.fused, place.registered, place.transform)]
    assert len(set(names)) == len(names)


def test_the_derivatives_describe_themselves(root: Path) -> None:
    described = dataset_files(root)["dataset_description.json"]
    assert described["DatasetType"] == "derivative"
    assert described["GeneratedBy"][0]["Name"] == "CSAFusion"
    assert described["DatasetLinks"]["raw"] == root.as_uri()


def test_pybids_reads_the_derivatives(root: Path, tmp_path_factory: pytest.TempPathFactory) -> None:
    from bids import BIDSLayout

    out = tmp_path_factory.mktemp("derivatives")
    (out / "dataset_description.json").write_text(json.dumps(dataset_files(root)["dataset_description.json"]))
    place = cases(root)["sub-1_ses-a_trc-FDG_pet"].place
    (out / place.folder).mkdir(parents=True)
    for name in (place.fused, place.registered, f"{place.transform}.h5"):
        (out / place.folder / name).touch()
    layout = BIDSLayout(out, validate=False, is_derivative=True)
    found = layout.get(subject="1", session="a", space="T1w", desc="fused", suffix="pet", extension=".nii.gz")
    assert [Path(file.path).name for file in found] == [place.fused]
    transform = layout.get(suffix="xfm")[0].get_entities()
    assert (transform["from"], transform["to"], transform["mode"]) == ("pet", "T1w", "image")


@pytest.mark.parametrize("text", ["", "pet,", "pet,trc", "../pet", "pet,trc-F/G"])
def test_what_selects_nothing_is_refused(text: str) -> None:
    with pytest.raises(InputError, match="selects no images"):
        Selection.parse(text)


def test_a_suffix_that_is_not_there_is_told_with_those_that_are(root: Path) -> None:
    with pytest.raises(InputError, match="no image 'bold'; it holds T1w, pet"):
        cases(root, moving="bold")


def test_a_folder_that_is_no_data_set_is_refused(tmp_path: Path) -> None:
    with pytest.raises(InputError, match="is not a BIDS data set"):
        cases(tmp_path)
