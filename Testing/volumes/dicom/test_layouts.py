"""The frames of multi-frame files, and the SUV of a PET against factors worked out by hand."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
import SimpleITK as sitk
from pydicom import Dataset
from pydicom.data import get_testdata_file

from CSAFusionLib.errors import InputError
from CSAFusionLib.volumes.dicom.series_reading import read_dicom_file, read_dicom_folder, uptake_of
from CSAFusionLib.volumes.input_path import SeveralVolumesError
from Testing.volumes.dicom.objects import (
    AXIAL,
    PLACES,
    image,
    item,
    put_pixels,
    save,
    stored,
    write_classic,
    write_enhanced,
    write_nuclear,
)


def _dose(path: Path, offsets, **elements) -> Path:
    place = {"ImagePositionPatient": [-20, -30, 5], "ImageOrientationPatient": list(AXIAL), "PixelSpacing": [2, 2.5]}
    scale = {"DoseGridScaling": 0.001, "GridFrameOffsetVector": offsets, "FrameIncrementPointer": 0x3004000C}
    dataset = image("481.2", "RTDOSE", (6, 8), 1, NumberOfFrames=4, **place, **(scale | elements))
    put_pixels(dataset, stored())
    return save(dataset, path)


@pytest.mark.parametrize("offsets", [[0, 3, 6, 9], [5, 8, 11, 14]])
def test_a_dose_is_read_in_its_units_from_relative_or_absolute_places(tmp_path, offsets) -> None:
    volume = read_dicom_file(_dose(tmp_path / "dose.dcm", offsets))
    np.testing.assert_allclose(sitk.GetArrayFromImage(volume.image), stored() * 0.001, rtol=1e-6)
    assert volume.image.GetOrigin() == (-20, -30, 5)
    assert volume.image.GetSpacing() == (2.5, 2, 3)


def test_a_dose_whose_planes_descend_is_turned_with_its_places(tmp_path) -> None:
    volume = read_dicom_file(_dose(tmp_path / "dose.dcm", [0, -3, -6, -9]))
    np.testing.assert_allclose(sitk.GetArrayFromImage(volume.image), stored()[::-1] * 0.001, rtol=1e-6)
    assert volume.image.GetOrigin() == (-20, -30, -4)


def test_a_dose_that_lacks_places_or_scale_is_refused(tmp_path) -> None:
    with pytest.raises(InputError, match="gives the places of 3 planes of dose and holds 4"):
        read_dicom_file(_dose(tmp_path / "dose.dcm", [0, 3, 6]))
    with pytest.raises(InputError, match="without Dose Grid Scaling"):
        read_dicom_file(_dose(tmp_path / "dose.dcm", [0, 3, 6, 9], DoseGridScaling=None))


def test_a_real_dose_of_pydicom_is_read(tmp_path) -> None:
    dose = read_dicom_file(Path(get_testdata_file("rtdose.dcm", download=False)))
    assert dose.image.GetSize() == (10, 10, 15)
    assert dose.image.GetSpacing() == (10, 10, 5)


def test_a_mosaic_is_refused_by_name(tmp_path) -> None:
    folder = write_classic(tmp_path, ImageType=["ORIGINAL", "PRIMARY", "M", "MOSAIC"], modality="MR")
    with pytest.raises(InputError, match="is a mosaic"):
        read_dicom_file(folder / "a000.dcm")


def test_a_film_is_no_volume_and_a_stack_without_groups_is_one(tmp_path) -> None:
    film = image("7.2", "US", (6, 8), 1, NumberOfFrames=4, FrameIncrementPointer=0x00181063)
    put_pixels(film, stored())
    with pytest.raises(InputError, match=r"holds 4 frames \(US\) without a place in space"):
        read_dicom_file(save(film, tmp_path / "film.dcm"))
    film.ImagePositionPatient, film.ImageOrientationPatient = [1, 2, 3], list(AXIAL)
    film.PixelSpacing, film.SpacingBetweenSlices = [1, 1], 2
    film.FrameIncrementPointer = 0x00200032
    volume = read_dicom_file(save(film, tmp_path / "stack.dcm"))
    np.testing.assert_array_equal(sitk.GetArrayFromImage(volume.image), stored())
    assert volume.image.GetSpacing()[2] == 2


def test_what_simpleitk_writes_as_one_file_comes_back(tmp_path) -> None:
    written = sitk.GetImageFromArray((stored() % 251).astype(np.uint8))
    written.SetSpacing((1, 2, 3))
    written.SetOrigin((4, 5, 6))
    written.SetDirection((1, 0, 0, 0, 0.8, -0.6, 0, 0.6, 0.8))
    sitk.WriteImage(written, str(tmp_path / "a.dcm"))
    volume = read_dicom_file(tmp_path / "a.dcm")
    np.testing.assert_array_equal(sitk.GetArrayFromImage(volume.image), sitk.GetArrayFromImage(written))
    assert volume.image.GetDirection() == pytest.approx(written.GetDirection())
    assert volume.image.GetOrigin() == pytest.approx((4, 5, 6))
    assert volume.image.GetSpacing() == pytest.approx((1, 2, 3))


def _rescale(slope: float, intercept: float = 0.0):
    return [item(RescaleSlope=slope, RescaleIntercept=intercept, RescaleType="US")]


def _voxels(path) -> np.ndarray:
    return sitk.GetArrayFromImage(read_dicom_file(path).image)


def test_frames_lie_where_their_positions_say_whatever_their_order(tmp_path) -> None:
    order = [2, 0, 3, 1]
    path = write_enhanced(tmp_path / "mr.dcm", stored()[order], positions=[PLACES[place] for place in order])
    volume = read_dicom_file(path)
    np.testing.assert_array_equal(sitk.GetArrayFromImage(volume.image), stored())
    assert volume.image.GetOrigin() == PLACES[0]
    assert volume.image.GetSpacing() == (0.75, 0.5, 3)
    assert (volume.name, volume.modality_hint, volume.notes) == ("mr.dcm", "MR", ())


def test_every_frame_has_its_own_rescale(tmp_path) -> None:
    slopes, intercepts = (1, 2, 0.5, 4), (0, 10, 0, -5)

    def scale(number, group):
        group.PixelValueTransformationSequence = _rescale(slopes[number], intercepts[number])

    path = write_enhanced(tmp_path / "pet.dcm", change=scale, modality="PT", sop_class="130")
    wanted = stored() * np.reshape(slopes, (4, 1, 1)) + np.reshape(intercepts, (4, 1, 1))
    np.testing.assert_array_equal(_voxels(path), wanted)


def test_a_shared_rescale_holds_for_all_frames(tmp_path) -> None:
    def share(dataset):
        dataset.SharedFunctionalGroupsSequence[0].PixelValueTransformationSequence = _rescale(2, -1024)

    np.testing.assert_array_equal(
        _voxels(write_enhanced(tmp_path / "ct.dcm", change_file=share)), stored() * 2.0 - 1024
    )


def test_frames_may_have_orientation_and_measures_of_their_own(tmp_path) -> None:
    def own(number, group):
        group.PlaneOrientationSequence = [item(ImageOrientationPatient=[0, 1, 0, 0, 0, -1])]
        group.PixelMeasuresSequence = [item(PixelSpacing=[2, 1], SliceThickness=4)]

    places = [(10.0 - 4 * number, 0.0, 0.0) for number in range(4)]
    volume = read_dicom_file(write_enhanced(tmp_path / "mr.dcm", positions=places, change=own))
    assert volume.image.GetSpacing() == (1, 2, 4)
    assert volume.image.GetDirection() == (0, 0, -1, 1, 0, 0, 0, -1, 0)


def test_an_ultrasound_volume_lies_in_its_own_frame(tmp_path) -> None:
    def of_volume(number, group):
        group.PlanePositionVolumeSequence = [item(ImagePositionVolume=list(PLACES[number]))]
        group.PlaneOrientationVolumeSequence = [item(ImageOrientationVolume=[1.0, 0, 0, 0, 1, 0])]
        del group.PlanePositionSequence

    def without(dataset):
        del dataset.SharedFunctionalGroupsSequence[0].PlaneOrientationSequence

    path = write_enhanced(tmp_path / "us.dcm", change=of_volume, change_file=without, modality="US", sop_class="6.2")
    np.testing.assert_array_equal(_voxels(path), stored())


@pytest.mark.parametrize(
    ("change_file", "said"),
    [
        (lambda dataset: setattr(dataset, "NumberOfFrames", 3), "says that it holds 3 frames and describes 4 of them"),
        (lambda dataset: setattr(dataset, "NumberOfFrames", 0), "says that it holds 0 frames"),
        (lambda dataset: setattr(dataset, "Rows", 5), "bytes of voxels, where its header says"),
        (lambda dataset: setattr(dataset, "Rows", 7), "bytes of voxels, where its header says"),
        (lambda dataset: delattr(dataset.SharedFunctionalGroupsSequence[0], "PixelMeasuresSequence"), "pixel spacing"),
        (lambda dataset: delattr(dataset.PerFrameFunctionalGroupsSequence[2], "PlanePositionSequence"), "position"),
    ],
)
def test_a_file_that_contradicts_itself_or_lacks_geometry_is_refused(tmp_path, change_file, said: str) -> None:
    with pytest.raises(InputError, match=said):
        read_dicom_file(write_enhanced(tmp_path / "mr.dcm", change_file=change_file))


@pytest.mark.parametrize(
    ("places", "said"),
    [
        ((0, 3, 9, 12), "lacks 1 of its slices"),
        ((0, 3, 7, 11), "slices 3 to 4 mm apart"),
    ],
)
def test_a_missing_frame_or_uneven_frames_are_refused(tmp_path, places, said: str) -> None:
    with pytest.raises(InputError, match=said):
        read_dicom_file(write_enhanced(tmp_path / "mr.dcm", positions=[(0, 0, place) for place in places]))


def test_highdicom_writes_what_is_read(tmp_path) -> None:
    highdicom = pytest.importorskip("highdicom", reason="highdicom is not installed")
    from pydicom import dcmread
    from pydicom.sr.codedict import codes

    from Testing.volumes.dicom.objects import write_classic

    folder = write_classic(tmp_path / "mr", modality="MR", sop_class="4", FrameOfReferenceUID="1.2.3", StudyDate="")
    sources = [dcmread(file) for file in sorted(folder.iterdir())]
    for source in sources:
        for keyword in ("PatientID", "PatientName", "PatientBirthDate", "PatientSex", "StudyTime", "StudyID"):
            setattr(source, keyword, "")
        source.AccessionNumber = source.ReferringPhysicianName = ""
    values = stored().astype(np.float32) / 7
    written = highdicom.pm.ParametricMap(
        sources,
        values,
        series_instance_uid="1.2.5",
        series_number=1,
        sop_instance_uid="1.2.6",
        instance_number=1,
        manufacturer="m",
        manufacturer_model_name="m",
        software_versions="1",
        device_serial_number="1",
        contains_recognizable_visual_features=False,
        real_world_value_mappings=[
            highdicom.pm.RealWorldValueMapping("1", "x", codes.UCUM.NoUnits, (0.0, 1e6), slope=2.0, intercept=1.0)
        ],
        voi_lut_transformations=[highdicom.VOILUTTransformation(window_center=1, window_width=1)],
    )
    written.save_as(tmp_path / "map.dcm")
    volume = read_dicom_file(tmp_path / "map.dcm")
    np.testing.assert_allclose(sitk.GetArrayFromImage(volume.image), values * 2 + 1, rtol=1e-6)
    assert volume.image.GetOrigin() == pytest.approx(PLACES[0])
    assert volume.image.GetSpacing() == pytest.approx((0.75, 0.5, 3))


def test_a_reconstruction_is_as_far_apart_as_its_slices_are_thick(tmp_path) -> None:
    volume = read_dicom_file(write_nuclear(tmp_path / "nm.dcm"))
    np.testing.assert_array_equal(sitk.GetArrayFromImage(volume.image), stored())
    assert volume.image.GetSpacing() == pytest.approx((4.4, 4.4, 4.4))
    assert volume.image.GetOrigin() == (-10, -20, 30)
    assert volume.modality_hint == "NM"


def test_the_sign_of_the_spacing_between_slices_is_their_direction(tmp_path) -> None:
    volume = read_dicom_file(write_nuclear(tmp_path / "nm.dcm", SpacingBetweenSlices=-5))
    np.testing.assert_array_equal(sitk.GetArrayFromImage(volume.image), stored()[::-1])
    assert volume.image.GetOrigin() == (-10, -20, 15)
    assert volume.image.GetSpacing()[2] == 5


@pytest.mark.parametrize(
    ("vectors", "said"),
    [
        ({"TimeSlotVector": [1] * 4 + [2] * 4}, "1 \\(time slot 1, 4 slices\\), 2 \\(time slot 2, 4 slices\\)"),
        ({"EnergyWindowVector": [1] * 4 + [2] * 4}, "energy window 2"),
        ({"DetectorVector": [1] * 4 + [2] * 4}, "detector 2"),
        ({}, "number 2 in the order"),
    ],
)
def test_gates_windows_and_detectors_are_volumes_of_their_own(tmp_path, vectors, said: str) -> None:
    path = write_nuclear(tmp_path / "nm.dcm", stored(8), SliceVector=[1, 2, 3, 4] * 2, **vectors)
    with pytest.raises(SeveralVolumesError, match=said):
        read_dicom_file(path)
    np.testing.assert_array_equal(sitk.GetArrayFromImage(read_dicom_file(path, 2).image), stored(8)[4:])


@pytest.mark.parametrize(
    ("changed", "said"),
    [
        ({"ImageType": ["ORIGINAL", "PRIMARY", "TOMO", "EMISSION"], "SliceVector": None}, "raw projections"),
        ({"ImageType": ["ORIGINAL", "PRIMARY", "GATED TOMO", "EMISSION"], "SliceVector": None}, "raw projections"),
        ({"ImageType": ["ORIGINAL", "PRIMARY", "WHOLE BODY", "EMISSION"], "SliceVector": None}, "planar views"),
        ({"ImageType": ["ORIGINAL", "PRIMARY", "DYNAMIC", "EMISSION"], "SliceVector": None}, "planar views"),
        ({"DetectorInformationSequence": None}, "does not say where its slices lie"),
        ({"SliceThickness": None}, "does not say how far apart"),
        ({"SliceVector": [1, 2, 3]}, "holds 4 frames and identifies 3"),
    ],
)
def test_what_is_no_stack_of_slices_is_refused(tmp_path, changed, said: str) -> None:
    with pytest.raises(InputError, match=said):
        read_dicom_file(write_nuclear(tmp_path / "nm.dcm", **changed))


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
        ({"DecayCorrection": "NONE"}, "the time to which decay"),
        ({"Units": "CNTS"}, "holds counts"),
        ({"Units": "PROPCPS"}, "its unit is proportional counts/s"),
        ({"Units": "OF 71 KG"}, "its unit cannot be converted to activity"),
        ({"Units": "GML", "SUVType": "OF 71 KG"}, "SUV of an unknown kind"),
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
