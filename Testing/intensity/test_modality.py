"""What kind of image a volume is."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
import SimpleITK as sitk

from CSAFusionLib.geometry.planes import Plane, to_slices
from CSAFusionLib.intensity.evidence import Evidence
from CSAFusionLib.intensity.mapping import IntensityMapping, find_mapping
from CSAFusionLib.intensity.modality import (
    Confidence,
    Modality,
    grey_quartiles,
    guess,
    guess_modality,
    is_t2_beside,
    quartile_skewness,
    shown_quartiles,
)
from CSAFusionLib.volumes.reading import read_volume
from CSAFusionLib.volumes.volume import Acquisition, Volume


def test_the_skewness_is_bowley_s_of_what_is_not_background() -> None:
    values = np.concatenate([np.zeros(5000), np.linspace(0.2, 0.4, 500), np.linspace(0.4, 1.0, 500)])
    low, middle, high = np.quantile(values[values > 0.05], (0.25, 0.5, 0.75))
    expected = (high + low - 2 * middle) / (high - low)
    assert quartile_skewness(grey_quartiles([values])) == pytest.approx(expected, abs=0.01)
    assert grey_quartiles(np.split(values, 6)) == grey_quartiles([values[::-1]])


@pytest.mark.parametrize("values", [np.zeros(10), np.full(10, 0.5)])
def test_what_has_no_contrast_has_no_skewness(values: np.ndarray) -> None:
    assert quartile_skewness(grey_quartiles([values])) == 0


@pytest.mark.parametrize(
    "t1",
    [
        "stroke/T1.nii.gz",
        "open_ms/patient01/study1_T1W.nii.gz",
        "open_ms/patient12/study1_T1W.nii.gz",
        "open_ms/mni_patient07/T1.nii.gz",
        "spine/t1.nii.gz",
    ],
)
def test_the_t2_of_a_real_pair_is_told_in_either_order(shared_data: Path, t1: str) -> None:
    greys = []
    for name in (t1, t1.replace("T1.", "T2.").replace("T1W", "T2W").replace("t1.", "t2.")):
        volume = read_volume(shared_data / "volumes" / name)
        slices = to_slices(volume.image, Plane.AXIAL)
        greys.append(grey_quartiles(map(find_mapping(volume, Modality.MR), slices)))
    of_t1, of_t2 = greys
    assert is_t2_beside(of_t2, of_t1)
    assert not is_t2_beside(of_t1, of_t2)


FUNCTIONAL = ("petct/PET.nii.gz", "pyapetnet/PET_osem.nii.gz", "templates/spm_PET.nii.gz", "templates/spm_SPECT.nii.gz")
CT = ("rire/CT_slab_in_T1_grid_slices7-11.nii.gz", "petct/CT.nii.gz")


def _unnamed(path: Path) -> Volume:
    return Volume(read_volume(path).image, "volume")


def test_the_dicom_tag_decides() -> None:
    image = sitk.GetImageFromArray(np.random.default_rng(0).normal(size=(4, 5, 6)))
    expected = {"CT": Modality.CT, "MR": Modality.MR, "PT": Modality.PET, "NM": Modality.SPECT}
    assert {tag: guess_modality(Volume(image, "volume", tag)) for tag in expected} == expected


def test_a_tag_of_no_such_modality_leaves_the_voxels_to_decide() -> None:
    image = sitk.GetImageFromArray(np.random.default_rng(0).normal(size=(4, 5, 6)))
    assert guess_modality(Volume(image, "volume", "OT")) is Modality.MR


def test_a_colour_volume_is_functional() -> None:
    assert guess_modality(Volume(sitk.Image([3, 3, 3], sitk.sitkVectorUInt8, 3), "volume")).is_functional


def test_every_real_volume_is_guessed_right(shared_data) -> None:
    volumes = shared_data / "volumes"
    # Not in HU, the CT template cannot be told from a smooth MR: left to the user.
    files = {*volumes.glob("**/*.nii.gz"), *volumes.glob("**/*.mha")} - {volumes / "templates" / "scct.nii.gz"}
    # One stored orientation and one visit of each patient stand for the others.
    for file in sorted(files - {*volumes.glob("orientations/[!S]*"), *volumes.glob("open_ms/*/study2*")}):
        name = file.relative_to(volumes).as_posix()
        expected = Modality.PET if name in FUNCTIONAL else Modality.CT if name in CT else Modality.MR
        assert guess_modality(_unnamed(file)) is expected, name


@pytest.mark.parametrize("name", FUNCTIONAL)
def test_the_guess_of_a_functional_volume_stands_off_its_limits(shared_data, name: str) -> None:
    """Doubled voxels, a little more blur, a crop, another scale: none of it is what makes a PET a PET."""
    volume = _unnamed(shared_data / "volumes" / name)
    image = sitk.Cast(volume.image, sitk.sitkFloat32)
    margin = [length // 12 for length in image.GetSize()]
    for changed in (
        sitk.Shrink(image, [2, 2, 2]),
        sitk.SmoothingRecursiveGaussian(image, 1.0),
        sitk.Crop(image, [0, 0, margin[2]], [0, 0, margin[2]]),
        image * 0.001,
    ):
        assert guess_modality(Volume(changed, "volume")) is Modality.PET


@pytest.mark.parametrize(
    "name",
    ["pyapetnet/T1_2000.nii.gz", "stroke/T2.nii.gz", "open_ms/patient12/study1_T1W.nii.gz", "stroke/FLAIR.nii.gz"],
)
def test_a_blurred_mr_stays_an_mr(shared_data, name: str) -> None:
    image = sitk.Cast(read_volume(shared_data / "volumes" / name).image, sitk.sitkFloat32)
    for fwhm in (4, 7):
        blurred = sitk.SmoothingRecursiveGaussian(image, fwhm / 2.3548)
        assert guess_modality(Volume(blurred, "volume")) is Modality.MR


def test_a_name_decides_unless_the_values_are_in_hounsfield_units(shared_data) -> None:
    a_ct = _unnamed(shared_data / "volumes" / CT[0])
    image = sitk.GetImageFromArray(np.random.default_rng(0).normal(size=(4, 5, 6)))
    named = Acquisition(source="file name")
    found = guess(Evidence(Volume(image, "volume", "PT", acquisition=named)))
    assert (found.modality, found.source, found.confidence) == (Modality.PET, "file name", Confidence.LIKELY)
    assert guess(Evidence(Volume(a_ct.image, "volume", "MR", acquisition=named))).modality is Modality.CT
    bids = Acquisition(source="BIDS name")
    assert guess(Evidence(Volume(a_ct.image, "volume", "MR", acquisition=bids))).confidence is Confidence.STATED


def test_a_template_blurred_over_many_people_is_an_unsure_guess(shared_data) -> None:
    found = guess(Evidence(_unnamed(shared_data / "volumes" / "templates" / "avg152T1.nii.gz")))
    assert (found.modality, found.confidence) == (Modality.MR, Confidence.UNSURE)


def test_parts_of_a_whole_body_are_guessed_as_the_whole(shared_data) -> None:
    image = sitk.Cast(read_volume(shared_data / "volumes" / "petct" / "PET.nii.gz").image, sitk.sitkFloat32)
    for part in (image[:, :, :60], image[:, :, 100:180], image[:, :, 170:], image[35:95, 35:95, :]):
        assert guess_modality(Volume(part * 1e-4, "part")) is Modality.PET


@pytest.mark.parametrize("dtype", [np.int16, np.uint8, np.int32, np.float32])
def test_the_quartiles_of_a_volume_are_those_of_its_mapped_voxels(dtype: type) -> None:
    voxels = np.random.default_rng(0).gamma(4, 12, (5, 16, 17)).clip(0, 255).astype(dtype)
    mapping = IntensityMapping(3.7, 141.3, knee=(90.1, 0.8))
    assert shown_quartiles(voxels, mapping) == grey_quartiles([mapping(voxels)]) != (0, 0, 0)
