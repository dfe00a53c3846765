"""CSAFusionLib/volumes/acquisition.py."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

from CSAFusionLib.volumes.acquisition import said_beside


@pytest.mark.parametrize(
    ("name", "modality", "source", "contrast"),
    [
        ("sub-01_ses-1_T1w.nii.gz", "MR", "BIDS name", "T1"),
        ("sub-01_ce-gadolinium_T1w.nii.gz", "MR", "BIDS name", "contrast-enhanced T1"),
        ("sub-01_acq-1_dwi.nii", "MR", "BIDS name", "DWI"),
        ("sub-01_trc-FDG_pet.nii.gz", "PT", "BIDS name", ""),
        ("study1_FLAIR.nii.gz", "MR", "file name", "FLAIR"),
        ("PET.nii.gz", "PT", "file name", ""),
        ("scan.nrrd", None, "", ""),
        ("carpet.nii.gz", None, "", ""),
        ("sub-01_dseg.nii.gz", None, "", ""),
    ],
)
def test_the_last_part_of_a_name_tells_what_it_is(
    name: str, modality: str | None, source: str, contrast: str, tmp_path: Path
) -> None:
    found, acquisition = said_beside(tmp_path / name)
    assert (found, acquisition.source, acquisition.contrast) == (modality, source, contrast)


def test_a_sidecar_goes_before_the_name_and_gives_unit_and_contrast(tmp_path: Path) -> None:
    (tmp_path / "a_t1.json").write_text(json.dumps({"Modality": "PT", "Units": "BQML"}))
    modality, acquisition = said_beside(tmp_path / "a_t1.nii.gz")
    assert (modality, acquisition.source, acquisition.unit, acquisition.contrast) == ("PT", "sidecar", "Bq/ml", "")
    times = {"Modality": "MR", "EchoTime": 0.12, "RepetitionTime": 9.0, "InversionTime": 2.5}
    (tmp_path / "b.json").write_text(json.dumps(times))
    assert said_beside(tmp_path / "b.nii.gz")[1].contrast == "FLAIR"


@pytest.mark.parametrize("content", ["{", "[1, 2]", '{"Modality": ["MR"], "EchoTime": "x", "Units": 3}'])
def test_a_sidecar_that_makes_no_sense_says_nothing(content: str, tmp_path: Path) -> None:
    (tmp_path / "c.json").write_text(content)
    assert said_beside(tmp_path / "c.nii")[0] is None
