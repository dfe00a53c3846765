"""CSAFusionLib/volumes/dicom/series_headers.py, against factors worked out by hand."""

from __future__ import annotations

from pathlib import Path

import pytest
from pydicom import Dataset

from CSAFusionLib.volumes.dicom.series_headers import uptake_of
from CSAFusionLib.volumes.dicom.series_reading import read_dicom_folder
from Testing.volumes.dicom.objects import item, write_classic

HALF_LIFE = 6586.2


def a_pet(**changed: object) -> Dataset:
    """70 kg, 350 MBq of F-18 at 9:00, scan at 10:00: 239.6 MBq are left."""
    tracer = Dataset()
    tracer.RadiopharmaceuticalStartTime = "090000.00"
    tracer.RadionuclideTotalDose = 350e6
    tracer.RadionuclideHalfLife = HALF_LIFE
    dataset = Dataset()
    dataset.Units, dataset.PatientWeight, dataset.DecayCorrection = "BQML", 70, "START"
    dataset.CorrectedImage = ["DECY", "ATTN", "SCAT"]
    dataset.SeriesDate = dataset.AcquisitionDate = "20200102"
    dataset.SeriesTime, dataset.AcquisitionTime = "100000", "100005"
    dataset.RadiopharmaceuticalInformationSequence = [tracer]
    for name, value in changed.items():
        owner = tracer if name in tracer or name == "RadiopharmaceuticalStartDateTime" else dataset
        if value is None:
            delattr(owner, name)
        else:
            setattr(owner, name, value)
    return dataset


def left(seconds: float) -> float:
    return 350e6 * 2 ** (-seconds / HALF_LIFE)


def test_activity_becomes_suv_by_weight_and_decayed_dose() -> None:
    found = uptake_of(a_pet())
    assert found.unit == "Bq/ml"
    assert found.suv == pytest.approx(70_000 / left(3600), rel=1e-9)


def test_a_dose_corrected_to_the_injection_does_not_decay() -> None:
    assert uptake_of(a_pet(DecayCorrection="ADMIN")).suv == pytest.approx(70_000 / 350e6)


def test_a_dose_of_the_evening_before_is_a_day_older() -> None:
    late = uptake_of(a_pet(RadiopharmaceuticalStartTime="233000", SeriesTime="003000", AcquisitionTime="003001"))
    assert late.suv == pytest.approx(70_000 / left(3600))
    given = uptake_of(a_pet(RadiopharmaceuticalStartDateTime="20200102083000.000000"))
    assert given.suv == pytest.approx(70_000 / left(5400))


def test_a_series_made_anew_later_takes_the_scan_s_own_start() -> None:
    anew = a_pet(SeriesTime="150000")
    anew.private_block(0x0009, "GEMS_PETD_01", create=True).add_new(0x0D, "DT", "20200102100000.00")
    assert uptake_of(anew).suv == pytest.approx(70_000 / left(3600))
    siemens = a_pet(SeriesTime="150000", ActualFrameDuration=120_000, FrameReferenceTime=65_000)
    # The middle of the frame's counts is 59.9 s after its beginning, so the scan began 5.1 s before 10:00:05.
    assert uptake_of(siemens).suv == pytest.approx(70_000 / left(3600), rel=2e-4)


def test_philips_counts_have_a_factor_of_their_own() -> None:
    counts = a_pet(Units="CNTS")
    block = counts.private_block(0x7053, "Philips PET Private Group", create=True)
    block.add_new(0x09, "DS", "2.0")
    assert uptake_of(counts).suv == pytest.approx(2 * 70_000 / left(3600))
    block.add_new(0x00, "DS", "0.000551")
    assert uptake_of(counts).suv == pytest.approx(0.000551)


def test_suv_stays_suv() -> None:
    assert uptake_of(a_pet(Units="GML")).suv == 1
    assert "by LBM" in uptake_of(a_pet(Units="GML", SUVType="LBM")).suv_note


@pytest.mark.parametrize(
    ("changed", "why"),
    [
        ({"PatientWeight": None}, "no body weight"),
        ({"PatientWeight": 70_000}, "body weight is not plausible"),
        ({"RadionuclideTotalDose": None}, "no dose"),
        ({"RadionuclideTotalDose": 350}, "dose is not plausible"),
        ({"RadionuclideHalfLife": None}, "no half-life"),
        ({"RadiopharmaceuticalStartTime": None}, "when the dose was given"),
        ({"CorrectedImage": ["DECY"]}, "not corrected for attenuation"),
        ({"DecayCorrection": "NONE"}, "to which time"),
        ({"Units": "CNTS"}, "holds counts"),
        ({"Units": "PROPCPS"}, "its unit is proportional counts/s"),
        ({"Units": "OF 71 KG"}, "its unit leads to no activity"),
        ({"Units": "GML", "SUVType": "OF 71 KG"}, "a kind that DICOM does not know"),
        ({"SeriesTime": "150000"}, "when the scan began"),
    ],
)
def test_without_what_it_takes_there_is_no_suv_and_a_reason(changed: dict, why: str) -> None:
    found = uptake_of(a_pet(**changed))
    assert found.suv == 0
    assert why in found.suv_note
    assert not any(str(value) in found.suv_note + found.unit for value in (70_000, 350, 71))


@pytest.mark.parametrize(("slope", "is_mapped"), [(1, True), (2, False)])
def test_values_that_a_real_world_mapping_scaled_are_not_scaled_to_suv_again(
    tmp_path: Path, slope: float, is_mapped: bool
) -> None:
    mapping = item(RealWorldValueSlope=0.003, RealWorldValueIntercept=0)
    elements = {element.keyword: element.value for element in a_pet()}
    write_classic(
        tmp_path, modality="PT", sop_class="128", RescaleSlope=slope, RescaleIntercept=0,
        RealWorldValueMappingSequence=[mapping], **elements,
    )  # fmt: skip
    acquisition = read_dicom_folder(tmp_path).acquisition
    assert (acquisition.suv == 0, acquisition.unit == "") == (is_mapped, is_mapped)
