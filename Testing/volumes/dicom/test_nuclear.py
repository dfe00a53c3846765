"""CSAFusionLib/volumes/dicom/nuclear.py."""

from __future__ import annotations

import numpy as np
import pytest
import SimpleITK as sitk

from CSAFusionLib.errors import InputError
from CSAFusionLib.volumes.dicom.series import read_dicom_file
from CSAFusionLib.volumes.input_path import SeveralVolumesError
from Testing.volumes.dicom.objects import stored, write_nuclear


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
        ({"SliceVector": [1, 2, 3]}, "holds 4 frames and tells of 3"),
    ],
)
def test_what_is_no_stack_of_slices_is_refused(tmp_path, changed, said: str) -> None:
    with pytest.raises(InputError, match=said):
        read_dicom_file(write_nuclear(tmp_path / "nm.dcm", **changed))
