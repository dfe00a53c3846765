"""The kind of a volume, and the signs of it that its values give."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
import SimpleITK as sitk

from CSAFusionLib.geometry.planes import Plane, to_slices
from CSAFusionLib.intensity.mapping import IntensityMapping, find_mapping
from CSAFusionLib.intensity.modality import (
    Confidence,
    Evidence,
    Modality,
    grey_quartiles,
    guess,
    guess_modality,
    is_in_hounsfield,
    is_t2_beside,
    quartile_skewness,
    shown_quartiles,
)
from CSAFusionLib.intensity.voxel_values import Distribution
from CSAFusionLib.volumes.reading import read_volume
from CSAFusionLib.volumes.volume import Acquisition, Volume


def a_volume(values: np.ndarray, spacing: tuple[float, ...] = (4, 4, 4)) -> Volume:
    image = sitk.GetImageFromArray(values.astype(np.float32))
    image.SetSpacing(spacing)
    return Volume(image, "volume")


def blurred(values: np.ndarray, spacing: tuple[float, ...], fwhm: float) -> Volume:
    return Volume(sitk.SmoothingRecursiveGaussian(a_volume(values, spacing).image, fwhm / 2.3548), "volume")


def a_body(hot: float, size: tuple[int, int, int] = (120, 64, 96)) -> np.ndarray:
    """An elliptic body of 1, with two organs of ``hot``, and air."""
    z, y, x = np.meshgrid(*(np.linspace(-1, 1, length) for length in size), indexing="ij")
    body = ((x / 0.8) ** 2 + (y / 0.7) ** 2 < 1).astype(float)
    for centre in ((-0.4, 0.3, 0.1), (0.5, -0.3, 0.0)):
        body[(x - centre[1]) ** 2 + (y - centre[2]) ** 2 + (4 * (z - centre[0])) ** 2 < 0.06] = hot
    return body


def test_a_blurred_body_with_few_hot_organs_is_a_tracer_s() -> None:
    noise = np.random.default_rng(0).gamma(1, 0.02, (120, 64, 96))
    for scale in (1.0, 1e-3, 5000.0):
        assert Evidence(blurred(scale * (a_body(8.0) + noise), (5, 5, 5), 9)).tracer > 1.5


def test_a_body_with_sharp_edges_is_none() -> None:
    assert Evidence(a_volume(a_body(1.5), (1.0, 1.0, 1.0))).tracer < -1.5


def test_a_blurred_body_of_even_brightness_with_fine_noise_is_none() -> None:
    noise = np.random.default_rng(0).normal(0, 0.03, (120, 64, 96))
    body = sitk.GetArrayFromImage(blurred(a_body(1.3), (2, 2, 4), 6).image)
    assert Evidence(a_volume(np.hypot(body, noise), (2, 2, 4))).tracer < 0


def test_the_tail_is_how_much_brighter_few_organs_are() -> None:
    assert 7 < Evidence(a_volume(a_body(8.0))).tail < 9
    assert Evidence(a_volume(a_body(1.0))).tail < 1.2
    assert Evidence(a_volume(np.full((3, 4, 5), 2.0))).tail == 1


def test_noise_of_a_filter_reaches_further_than_a_pixel() -> None:
    noise = np.random.default_rng(0).gamma(1, 0.02, (40, 64, 64))
    noise[:, 20:40, 20:40] += 10
    fine, coarse = a_volume(noise, (2, 2, 2)), blurred(noise, (2, 2, 2), 8)
    assert Evidence(fine).noise_length_mm < 2 < 4 < Evidence(coarse).noise_length_mm
    assert Evidence(a_volume(np.where(noise > 5, 1.0, 0.0))).noise_length_mm is None


def _a_ball(radius_mm: float, spacing: tuple, rim: float = 1.0, depth: float = 1.0) -> Volume:
    """A ball whose outer 15 mm have the value ``rim`` and whose inside has ``depth``."""
    size = [int(130 / side) for side in spacing]
    grid = np.meshgrid(*[(np.arange(n) - (n - 1) / 2) * s for n, s in zip(size, spacing, strict=True)], indexing="ij")
    distance = radius_mm - np.sqrt(sum(axis**2 for axis in grid))
    values = np.where(distance > 15, depth, rim) * (distance > 0)
    image = sitk.GetImageFromArray(values.transpose(2, 1, 0).astype(np.float32))
    image.SetSpacing(spacing)
    return Volume(image, "ball")


def _blurred(volume: Volume, fwhm: float) -> Volume:
    return Volume(sitk.SmoothingRecursiveGaussian(volume.image, fwhm / 2.3548), volume.name)


@pytest.mark.parametrize("spacing", [(1, 1, 1), (1, 1, 4), (4, 1, 1)])
@pytest.mark.parametrize("fwhm", [5, 8, 12])
def test_the_edge_width_is_the_blur_in_millimetres(spacing: tuple, fwhm: float) -> None:
    ball = _blurred(_a_ball(50, spacing), fwhm)
    assert Evidence(ball).edge_width_mm == pytest.approx(fwhm, rel=0.2)


def test_a_sharp_volume_has_the_edge_width_of_its_pixels() -> None:
    assert Evidence(_a_ball(50, (1, 1, 3))).edge_width_mm < 2.5


def test_the_rim_is_compared_with_the_depth() -> None:
    assert Evidence(_a_ball(50, (2, 2, 2), rim=0.3, depth=0.9)).rim_to_depth == pytest.approx(1 / 3, abs=0.01)
    assert Evidence(_a_ball(50, (1, 1, 3), rim=0.8, depth=0.4)).rim_to_depth == pytest.approx(2, abs=0.02)


def test_a_volume_without_a_surface_or_too_thin_has_no_rim_to_judge() -> None:
    filled = np.random.default_rng(0).uniform(0.5, 1, (20, 20, 20)).astype(np.float32)
    assert Evidence(Volume(sitk.GetImageFromArray(filled), "filled")).rim_to_depth == 1
    assert Evidence(_a_ball(9, (1, 1, 1))).rim_to_depth == 1


def test_a_single_column_of_voxels_has_no_edges() -> None:
    assert Evidence(Volume(sitk.GetImageFromArray(np.ones((5, 1, 4), np.float32)), "line")).edge_width_mm == 0


def _volume(array: np.ndarray) -> Volume:
    return Volume(sitk.GetImageFromArray(array.astype(np.float32)), "volume")


def _a_head_in_hu() -> np.ndarray:
    generator = np.random.default_rng(0)
    head = np.full((10, 40, 40), -1000.0)
    head[:, 8:32, 8:32] = 1000
    head[:, 10:30, 10:30] = 35
    return head + generator.normal(0, 10, head.shape)


def test_air_and_soft_tissue_at_their_places_are_hounsfield_units() -> None:
    assert is_in_hounsfield(_volume(_a_head_in_hu()))


@pytest.mark.parametrize("scale, offset", [(1, 1024), (0.1, 0), (1, 24), (0.0002, 0.5)])
def test_a_shifted_or_scaled_ct_is_not_in_hounsfield_units(scale: float, offset: float) -> None:
    shifted = (np.maximum(_a_head_in_hu(), -1000) + (1000 if offset == 24 else 0)) * scale + offset
    assert not is_in_hounsfield(_volume(shifted))


def test_a_phase_image_is_not_in_hounsfield_units() -> None:
    assert not is_in_hounsfield(_volume(np.random.default_rng(0).uniform(-4096, 4096, (10, 40, 40))))


def test_of_the_real_volumes_only_the_ct_is_in_hounsfield_units(shared_data) -> None:
    volumes = shared_data / "volumes"
    assert is_in_hounsfield(read_volume(volumes / "rire" / "CT_slab_in_T1_grid_slices7-11.nii.gz"))
    for name in ("templates/scct", "open_ms/mni_patient07/T1", "rire/T1_slab_slices7-11", "templates/spm_SPECT"):
        assert not is_in_hounsfield(read_volume(volumes / f"{name}.nii.gz"))


@pytest.mark.parametrize("order", ["LPS", "PIR", "SRP", "RAS"])
@pytest.mark.parametrize(("wide", "deep", "is_head"), [(160, 200, True), (360, 240, False)])
def test_a_head_is_told_from_a_trunk_however_it_is_stored(order: str, wide: int, deep: int, is_head: bool) -> None:
    rows, columns = np.mgrid[-150:150:5, -200:200:5]
    body = np.hypot(2 * columns / wide, 2 * rows / deep) < 1
    image = sitk.GetImageFromArray(np.repeat(np.where(body, 40.0, -1000.0)[None], 12, axis=0))
    image.SetSpacing((5, 5, 5))
    assert Evidence(Volume(sitk.DICOMOrient(image, order), "volume")).shows_a_head is is_head


def test_real_heads_and_trunks_are_told_apart(shared_data) -> None:
    volumes = shared_data / "volumes"
    assert Evidence(read_volume(volumes / "rire" / "CT_slab_in_T1_grid_slices7-11.nii.gz")).shows_a_head
    assert not Evidence(read_volume(volumes / "petct" / "CT.nii.gz")).shows_a_head


def two_tissues(kind: type) -> np.ndarray:
    rng = np.random.default_rng(0)
    values = np.concatenate([rng.normal(100, 20, 4000), rng.normal(500, 60, 3000), [-30, 4000]])
    return rng.permutation(values).round().clip(np.iinfo(kind).min, np.iinfo(kind).max).astype(kind)[None]


@pytest.mark.parametrize("kind", [np.uint8, np.int16, np.uint16])
def test_counted_values_have_the_quantiles_and_the_threshold_of_the_voxels(kind: type) -> None:
    voxels = two_tissues(kind)
    counted, each = Distribution.of(voxels), Distribution.of(voxels.astype(np.float32))
    assert counted.counts is not None and each.counts is None
    shares = [0, 0.005, 0.3, 0.5, 0.999, 1]
    for one in (counted, counted.where(counted.values > 120), counted.away_from(101.5)):
        assert len(one.values) < 600
    assert counted.quantiles(shares) == each.quantiles(shares)
    above = [one.where(one.values > 120).away_from(101.5) for one in (counted, each)]
    assert above[0].quantiles(shares) == above[1].quantiles(shares)
    assert counted.otsu(90.5, 480) == each.otsu(90.5, 480)
    assert counted.count(counted.values > 120) == each.count(each.values > 120) > 3000


@pytest.mark.parametrize("kind", [np.uint8, np.int16])
def test_the_threshold_is_the_one_that_itk_finds(kind: type) -> None:
    voxels = two_tissues(kind)
    low, high = Distribution.of(voxels).quantiles([0.005, 0.995])
    otsu = sitk.OtsuThresholdImageFilter()
    otsu.Execute(sitk.Clamp(sitk.GetImageFromArray(voxels), sitk.sitkFloat32, low, high))
    assert Distribution.of(voxels).otsu(low, high) == pytest.approx(otsu.GetThreshold(), abs=1e-4 * (high - low) / 128)


def test_the_foreground_of_integers_is_found_from_their_counts(monkeypatch: pytest.MonkeyPatch) -> None:
    image = sitk.GetImageFromArray(two_tissues(np.int16).reshape(1, 6, -1))
    expected = Evidence(Volume(sitk.Cast(image, sitk.sitkFloat32), "a")).foreground
    monkeypatch.setattr(np, "partition", None)
    assert Evidence(Volume(image, "a")).foreground == expected


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
    assert is_t2_beside(of_t1, of_t2) is False


@pytest.mark.parametrize("case", ["patient01/study2", "patient12/study1", "patient12/study2"])
def test_a_t1_that_values_do_not_tell_from_its_flair_is_left_open(shared_data: Path, case: str) -> None:
    greys = []
    for kind in ("T1W", "FLAIR"):
        volume = read_volume(shared_data / "volumes" / "open_ms" / f"{case}_{kind}.nii.gz")
        greys.append(Evidence(volume).shown_quartiles(find_mapping(volume, Modality.MR)))
    assert is_t2_beside(*greys) is None


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
    expected = grey_quartiles([mapping(voxels)])
    of_evidence = Evidence(Volume(sitk.GetImageFromArray(voxels), "a")).shown_quartiles(mapping)
    assert shown_quartiles(voxels, mapping) == of_evidence == expected != (0, 0, 0)
