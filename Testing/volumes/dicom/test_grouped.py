"""CSAFusionLib/volumes/dicom/grouped.py."""

from __future__ import annotations

import numpy as np
import pytest
import SimpleITK as sitk

from CSAFusionLib.errors import InputError
from CSAFusionLib.volumes.dicom.series import read_dicom_file
from Testing.volumes.dicom.objects import PLACES, item, stored, write_enhanced


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
