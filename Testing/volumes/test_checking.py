"""Volumes that cannot be fused are refused, each with its reason; and what is said of how a volume was made."""

from __future__ import annotations

import json
from pathlib import Path

import numpy as np
import pytest
import SimpleITK as sitk

from CSAFusionLib.errors import InputError
from CSAFusionLib.volumes.checking import check_volume, notes_of
from CSAFusionLib.volumes.volume import Acquisition, Volume, contrast_of_names, contrast_of_times, said_beside


def _an_array(dtype: type = np.float32) -> np.ndarray:
    return np.arange(60).reshape(3, 4, 5).astype(dtype)


def _refusal_of(image: sitk.Image) -> str:
    with pytest.raises(InputError) as refusal:
        check_volume(Volume(image, "head.nii.gz"))
    message = str(refusal.value)
    assert "'head.nii.gz'" in message
    assert message.endswith(".")
    return message


@pytest.mark.parametrize("dtype", [np.uint8, np.int16, np.uint16, np.int32, np.float32, np.float64])
def test_a_sound_volume_passes_in_every_number_type(dtype: type) -> None:
    check_volume(Volume(sitk.GetImageFromArray(_an_array(dtype)), "head"))


def test_a_colour_volume_and_a_single_slice_pass() -> None:
    rgb = np.random.default_rng(0).integers(0, 255, (3, 4, 5, 3)).astype(np.uint8)
    check_volume(Volume(sitk.GetImageFromArray(rgb, isVector=True), "pet"))
    check_volume(Volume(sitk.GetImageFromArray(_an_array()[:1]), "slab"))


def test_a_left_handed_volume_passes() -> None:
    image = sitk.GetImageFromArray(_an_array())
    image.SetDirection((-1, 0, 0, 0, 1, 0, 0, 0, 1))
    check_volume(Volume(image, "left"))


def test_a_picture_a_series_and_an_empty_volume_are_refused() -> None:
    assert "2-D" in _refusal_of(sitk.Image([4, 5], sitk.sitkUInt8))
    assert "series of 6 volumes" in _refusal_of(sitk.Image([3, 4, 5, 6], sitk.sitkUInt8))
    assert "empty" in _refusal_of(sitk.Image())


def test_voxels_that_are_not_finite_are_counted() -> None:
    array = _an_array()
    array[0, 0, :2] = np.nan
    array[1, 1, 1] = -np.inf
    assert "3 voxels that are not finite" in _refusal_of(sitk.GetImageFromArray(array))


def test_a_constant_volume_is_refused_with_its_value() -> None:
    assert "every voxel is 7" in _refusal_of(sitk.Image([3, 4, 5], sitk.sitkInt16) + 7)


def test_two_components_and_complex_numbers_are_refused() -> None:
    assert "2 components" in _refusal_of(sitk.Image([3, 4, 5], sitk.sitkVectorFloat32, 2))
    assert "complex" in _refusal_of(sitk.Image([3, 4, 5], sitk.sitkComplexFloat32))


@pytest.mark.parametrize("pixel", [sitk.sitkVectorFloat32, sitk.sitkVectorFloat64, sitk.sitkVectorInt16])
def test_three_numbers_that_are_no_colours_are_refused(pixel: int) -> None:
    assert "not colours, such as displacements" in _refusal_of(sitk.Image([3, 4, 5], pixel, 3))


def test_a_header_with_no_usable_axes_is_refused() -> None:
    image = sitk.GetImageFromArray(_an_array())
    image.SetOrigin((np.nan, 0, 0))
    assert "geometry" in _refusal_of(image)


def test_a_volume_of_three_components_is_in_colour() -> None:
    assert Volume(sitk.Image([2, 2, 2], sitk.sitkVectorUInt8, 3), "pet.nrrd").is_colour
    assert not Volume(sitk.Image([2, 2, 2], sitk.sitkUInt8), "mr.nrrd").is_colour


def test_notes_are_told_of_the_volume_in_its_role() -> None:
    image = sitk.Image([2, 2, 2], sitk.sitkUInt8)
    fixed, moving = Volume(image, "smith.nrrd"), Volume(image, "b", notes=("is tilted.",))
    assert notes_of(fixed, moving) == ["The moving volume is tilted."]
    assert notes_of(moving, fixed) == ["The fixed volume is tilted."]


def test_it_travels_as_json_values() -> None:
    known = Acquisition(source="DICOM header", unit="Bq/ml", suv=0.0003, contrast="")
    assert Acquisition.from_dict(known.to_dict()) == known
    assert Acquisition.from_dict({}) == Acquisition()


@pytest.mark.parametrize("values", [[], {"suv": -1}, {"suv": "1"}, {"unit": 3}])
def test_what_is_no_acquisition_is_refused(values: object) -> None:
    with pytest.raises(InputError):
        Acquisition.from_dict(values)


@pytest.mark.parametrize(
    ("name", "contrast"),
    [
        ("T1w", "T1"),
        ("t1_mprage_sag_p2_iso", "T1"),
        ("Ax T2 FLAIR", "FLAIR"),
        ("Sag T1 FLAIR", "T1"),
        ("Ax T1 FLAIR +C", "contrast-enhanced T1"),
        ("t2_tse_restore_tra", "T2"),
        ("T1_SPACE_restore", "T1"),
        ("resting state", "BOLD"),
        ("restingState_run1", "BOLD"),
        ("task-rest", "BOLD"),
        ("t2_tirm_tra_dark-fluid", "FLAIR"),
        ("AX DWI b1000", "DWI"),
        ("ep2d_diff_ADC", "DWI"),
        ("Ax T1 +C", "contrast-enhanced T1"),
        ("T1 post GAD", "contrast-enhanced T1"),
        ("patient_t1ce", "contrast-enhanced T1"),
        ("T2star", "T2*"),
        ("Ax PD FSE", "PD"),
        ("T2W_TSE", "T2"),
        ("localizer", ""),
        ("study12", ""),
    ],
)
def test_the_contrast_is_read_from_what_people_call_a_series(name: str, contrast: str) -> None:
    assert contrast_of_names([name]) == contrast


def test_an_agent_makes_a_t1_a_contrast_enhanced_one_and_leaves_a_t2_alone() -> None:
    assert contrast_of_names(["T1 SE"], agent=True) == "contrast-enhanced T1"
    assert contrast_of_names(["T2 TSE"], agent=True) == "T2"


def test_times_tell_spin_echoes_and_leave_the_rest_open() -> None:
    assert contrast_of_times(12, 550) == "T1"
    assert contrast_of_times(95, 4000) == "T2"
    assert contrast_of_times(120, 9000, 2500) == "FLAIR"
    assert contrast_of_times(2.5, 2300, 900) == ""
    assert contrast_of_times(None, 500) == ""


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
