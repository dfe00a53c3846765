"""From stored values to [0, 1]: windows, units, mappings, and the correction of a bias field."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
import SimpleITK as sitk

from CSAFusionLib.errors import InputError
from CSAFusionLib.evaluation.clinical.consistency import head_of
from CSAFusionLib.fusion.settings import FusionSettings
from CSAFusionLib.fusion.source_pair import SourcePair
from CSAFusionLib.geometry.planes import Plane, to_slices
from CSAFusionLib.intensity.mapping import (
    CORRECTED,
    CT_WINDOWS,
    HEAD_CT,
    WHITE_MATTER_OF_T1,
    WHITE_MATTER_OF_T2,
    IntensityMapping,
    Window,
    beside_mr,
    bias_corrected,
    display_unit,
    find_mapping,
    parse_window,
    tissue_at_level,
    white_matter_grey,
)
from CSAFusionLib.intensity.modality import Modality
from CSAFusionLib.volumes.checking import notes_of
from CSAFusionLib.volumes.reading import read_volume
from CSAFusionLib.volumes.volume import Acquisition, Volume
from Testing.benchmarks.reader_regions import find_regions


def a_head() -> tuple[Volume, np.ndarray]:
    """Two tissues in a ball, twice as bright on one side as on the other; and where the brighter tissue is."""
    z, y, x = np.meshgrid(*[np.linspace(-1, 1, 24)] * 3, indexing="ij")
    radius = np.sqrt(x * x + y * y + z * z)
    tissue = np.where(radius < 0.5, 200.0, np.where(radius < 0.9, 120.0, 0.0))
    noise = np.random.default_rng(0).normal(0, 3, tissue.shape)
    image = sitk.GetImageFromArray((tissue * 2 ** (x / 2) + noise).astype(np.float32))
    image.SetSpacing((6, 6, 6))
    return Volume(image, "head"), radius < 0.45


def spread_of(volume: Volume, where: np.ndarray) -> float:
    values = sitk.GetArrayFromImage(volume.image)[where]
    return float(values.std() / values.mean())


def test_one_tissue_is_alike_everywhere_after_the_correction() -> None:
    volume, core = a_head()
    corrected = bias_corrected(volume)
    assert spread_of(corrected, core) < spread_of(volume, core) / 2
    assert corrected.image.GetOrigin() == volume.image.GetOrigin()
    assert corrected.notes == (CORRECTED,)


def test_a_volume_too_thin_for_the_splines_is_left_alone() -> None:
    volume, _ = a_head()
    thin = Volume(volume.image[:, :, :3], "thin")
    assert bias_corrected(thin) is thin


def test_only_an_mr_is_corrected_and_only_when_asked() -> None:
    volume, _ = a_head()
    given = {"fixed_modality": "MR", "moving_modality": "PET"}
    plain = SourcePair.settle(volume, volume, FusionSettings(**given))
    asked = SourcePair.settle(volume, volume, FusionSettings(**given, bias_correction=True))
    assert plain.fixed.volume.notes == () == asked.moving.volume.notes
    assert asked.fixed.volume.notes == (CORRECTED,)
    assert any("N4" in note for note in notes_of(asked.fixed.volume, asked.moving.volume))


def test_a_correction_without_an_mr_is_refused() -> None:
    volume, _ = a_head()
    settings = FusionSettings(fixed_modality="PET", moving_modality="SPECT", bias_correction=True)
    with pytest.raises(InputError, match="N4 corrects an MR"):
        SourcePair.settle(volume, volume, settings)


GENERATOR = np.random.default_rng(0)


def _volume(array: np.ndarray) -> Volume:
    return Volume(sitk.GetImageFromArray(array, isVector=array.ndim == 4), "head.nii.gz")


def _a_head(air_noise: float = 15) -> np.ndarray:
    """A magnitude MR: Rayleigh noise in air, dark fluid 100, tissue 400 and 500, a bright rim of 900."""
    head = np.zeros((12, 60, 60))
    head[:, 10:50, 10:50] = 900
    head[:, 12:48, 12:48] = 400
    head[:, 20:40, 20:40] = 500
    head[:, 27:33, 27:33] = 100
    noise = GENERATOR.normal(0, 1, (2, *head.shape)) * air_noise
    return np.hypot(head + noise[0], noise[1]).astype(np.float32)


def test_a_mapping_is_a_clipped_straight_line_of_float32() -> None:
    unit = IntensityMapping(100, 300)(np.array([-50, 100, 150, 300, 65535], np.int32))
    np.testing.assert_allclose(unit, [0, 0, 0.25, 1, 1])
    assert unit.dtype == np.float32


def test_an_mr_has_black_air_and_tissue_of_middling_grey() -> None:
    head = _a_head()
    unit = find_mapping(_volume(head), Modality.MR)(head)
    assert np.mean(unit[:, :9]) < 0.005
    assert np.mean(unit[:, :9] == 0) > 0.8
    assert 0.3 < np.median(unit[:, 14:18, 14:46]) < 0.8
    assert unit[:, 29:31, 29:31].mean() > 0.03


def test_a_skull_stripped_mr_keeps_its_darkest_tissue_and_loses_negative_overshoot() -> None:
    head = _a_head(air_noise=2)
    head[:, :12], head[:, 48:], head[:, :, :12], head[:, :, 48:] = 0, 0, 0, 0
    head[:, 11, 12:48] = -40
    mapping = find_mapping(_volume(head), Modality.MR)
    assert mapping.low == 0
    assert 0.1 < mapping(np.array(100)) < 0.4
    assert mapping(np.array(-40)) == 0


def test_spikes_do_not_darken_the_tissue() -> None:
    head = _a_head()
    clean = find_mapping(_volume(head), Modality.MR)
    head.ravel()[GENERATOR.choice(head.size, 20, replace=False)] = 65535
    spiked = find_mapping(_volume(head), Modality.MR)
    assert spiked.high == pytest.approx(clean.high, rel=0.02)
    assert spiked.low == pytest.approx(clean.low, abs=5)


def test_bright_fat_does_not_darken_the_brain() -> None:
    head = _a_head()
    head[:, 10:50, 10:50][head[:, 10:50, 10:50] > 700] *= 4
    unit = find_mapping(_volume(head), Modality.MR)(head)
    assert np.median(unit[:, 20:26, 20:40]) > 0.3


def test_the_mapping_follows_any_scale_and_offset_of_the_scanner() -> None:
    head = _a_head()
    unit = find_mapping(_volume(head), Modality.MR)(head)
    other = head * 0.003 - 2
    np.testing.assert_allclose(find_mapping(_volume(other), Modality.MR)(other), unit, atol=0.01)


def test_a_field_of_view_without_air_keeps_its_dark_tissue() -> None:
    inside = _a_head()[:, 12:48, 12:48]
    inside[:, 0] = 10  # Cortical bone gives no signal.
    assert find_mapping(_volume(inside), Modality.MR)(np.array(100)) > 0.03


def test_a_volume_of_two_values_is_spread_over_the_whole_range() -> None:
    mask = np.zeros((5, 20, 20), np.uint8)
    mask[2, 5, 5] = 1
    for modality in (Modality.MR, Modality.PET, Modality.CT):
        unit = find_mapping(_volume(mask), modality)(mask)
        assert (unit.min(), unit.max()) == (0, 1)


def test_a_ct_takes_the_default_window_another_preset_or_any_window() -> None:
    head = np.full((10, 40, 40), -1000, np.int16)
    head[:, 10:30, 10:30] = 35
    volume = _volume(head)
    assert find_mapping(volume, Modality.CT) == IntensityMapping(0, 1000, knee=(80, 0.8))
    assert find_mapping(volume, Modality.CT, CT_WINDOWS["brain"]) == IntensityMapping(0, 80)
    assert find_mapping(volume, Modality.CT, Window(500, 200)) == IntensityMapping(400, 600)


def test_a_ct_not_in_hounsfield_units_says_so_and_still_shows_its_tissue() -> None:
    head = _a_head()
    mapping = find_mapping(_volume(head), Modality.CT)
    assert "'head.nii.gz' does not look like a CT in Hounsfield units" in mapping.note
    assert 0.3 < mapping(np.array(400)) < 0.9
    forced = find_mapping(_volume(head), Modality.CT, Window(40, 80))
    assert (forced.low, forced.high) == (0, 80)
    assert "Hounsfield" in forced.note


def test_a_pet_starts_at_zero_and_one_hot_voxel_does_not_hide_the_rest() -> None:
    uptake = np.maximum(_a_head() - 50, 0)
    mapping = find_mapping(_volume(uptake), Modality.PET)
    assert mapping.low == 0
    assert mapping.high == pytest.approx(900, rel=0.1)
    uptake[5, 5, 5] = 1e6
    assert find_mapping(_volume(uptake), Modality.SPECT).high == pytest.approx(mapping.high, rel=0.05)


def test_a_pet_without_any_uptake_above_zero_says_so() -> None:
    mapping = find_mapping(_volume(-_a_head()), Modality.PET)
    assert "no value above zero" in mapping.note
    assert mapping.low < mapping.high


def test_a_window_asked_for_is_used_whatever_the_modality() -> None:
    for modality in (Modality.MR, Modality.PET, Modality.SPECT):
        assert find_mapping(_volume(_a_head()), modality, Window(500, 400)) == IntensityMapping(300, 700)


@pytest.mark.parametrize(
    ("dtype", "top", "white"), [(np.uint8, 90, 255), (np.uint16, 60000, 65535), (np.float32, 1, 1)]
)
def test_a_colour_volume_keeps_its_full_scale(dtype: type, top: float, white: float) -> None:
    rgb = np.linspace(0, top, 2 * 3 * 4 * 3).reshape(2, 3, 4, 3).astype(dtype)
    assert find_mapping(_volume(rgb), Modality.PET) == IntensityMapping(0, white)


@pytest.mark.parametrize(
    "name", ["stroke/T1", "stroke/T2", "open_ms/mni_patient07/FLAIR", "open_ms/patient01/study1_T1W"]
)
def test_a_real_mr_has_black_surroundings_and_visible_tissue(shared_data, name: str) -> None:
    volume = read_volume(shared_data / "volumes" / f"{name}.nii.gz")
    voxels = sitk.GetArrayFromImage(volume.image)
    unit = find_mapping(volume, Modality.MR)(voxels)
    assert np.percentile(unit, 40) == 0
    assert 0.25 < np.median(unit[unit > 0.1]) < 0.85
    assert np.mean(unit == 1) < 0.02


def test_a_real_ct_slab_has_black_air_grey_brain_and_white_bone(shared_data) -> None:
    volume = read_volume(shared_data / "volumes" / "rire" / "CT_slab_in_T1_grid_slices7-11.nii.gz")
    voxels = sitk.GetArrayFromImage(volume.image)
    unit = find_mapping(volume, Modality.CT)(voxels)
    assert (unit[voxels < -500] == 0).all()
    assert (unit[voxels > 400] > 0.85).all()
    assert np.median(unit[voxels > 400]) >= 0.9
    assert 0.3 < np.median(unit[(voxels > 10) & (voxels < 60)]) < 0.45


def test_two_slopes_meet_in_the_knee() -> None:
    unit = IntensityMapping(0, 1000, knee=(80, 0.8))(np.array([-100, 0, 40, 80, 540, 1000, 3000], np.int16))
    np.testing.assert_allclose(unit, [0, 0, 0.4, 0.8, 0.9, 1, 1], atol=1e-6)


def test_a_rescaled_ct_has_its_knee_in_its_own_values() -> None:
    head = np.full((10, 40, 40), -1000.0)
    head[:, 10:30, 10:30] = 35
    head[5, 5, 5] = 1e7
    knee = find_mapping(_volume(head), Modality.CT).knee
    assert knee is not None
    np.testing.assert_allclose(knee, (80, 0.8))


def test_a_body_ct_takes_a_window_for_soft_tissue(shared_data) -> None:
    volume = read_volume(shared_data / "volumes" / "petct" / "CT.nii.gz")
    assert find_mapping(volume, Modality.CT) == IntensityMapping(-160, 1000, knee=(240, 0.85))


@pytest.mark.parametrize("kind", [np.int16, np.int32, np.uint16, np.float32, np.float64])
def test_the_number_type_of_the_file_changes_no_bit(kind: type) -> None:
    head = np.random.default_rng(0).integers(0, 900, (8, 12, 12))
    expected = find_mapping(_volume(head.astype(np.int16)), Modality.MR)
    assert find_mapping(_volume(head.astype(kind)), Modality.MR) == expected


@pytest.mark.parametrize(("low", "high"), [(40, 40 + 1e-40), (1e300, 2e300), (-1e300, 1e300), (0, 1e-320)])
def test_limits_beyond_single_precision_give_finite_greys(low: float, high: float) -> None:
    unit = IntensityMapping(low, high)(np.linspace(-1000, 1000, 11))
    assert np.isfinite(unit).all() and unit.min() >= 0 and unit.max() <= 1


def test_a_tracer_far_above_zero_is_shown_by_its_own_range() -> None:
    mapping = find_mapping(_volume(1e5 + _a_head()), Modality.PET)
    assert mapping.low >= 1e5 - 1 and "near zero" in mapping.note


def test_level_and_width_give_the_black_and_white_values() -> None:
    assert (Window(40, 80).low, Window(40, 80).high) == (0, 80)


@pytest.mark.parametrize("name", CT_WINDOWS)
def test_every_preset_is_found_by_its_name(name: str) -> None:
    assert parse_window(name) == CT_WINDOWS[name]


@pytest.mark.parametrize("text", ["-600,1500", " -600 , 1500 ", "-6e2,1500.0"])
def test_level_and_width_are_read(text: str) -> None:
    assert parse_window(text) == Window(-600, 1500)


@pytest.mark.parametrize("text", ["", "brian", "40", "40,80,1", "40;80"])
def test_what_is_no_window_is_refused_with_the_presets(text: str) -> None:
    with pytest.raises(InputError, match="give one of brain, .*, or 'level,width' such as '40,80'"):
        parse_window(text)


@pytest.mark.parametrize("text", ["40,0", "40,-80", "nan,80", "40,inf"])
def test_a_width_that_shows_nothing_is_refused(text: str) -> None:
    with pytest.raises(InputError, match="give a width above 0"):
        parse_window(text)


def test_the_default_of_a_head_tells_brain_blood_and_bone_apart() -> None:
    def shown(hounsfield: float) -> float:
        return float(np.interp(hounsfield, (HEAD_CT.black, HEAD_CT.knee, HEAD_CT.white), (0, HEAD_CT.brightness, 1)))

    assert shown(-1000) == shown(-100) == 0
    assert 255 * (shown(38) - shown(30)) > 20
    assert shown(75) - shown(38) > 0.3
    assert shown(700) > 0.9
    assert 255 * (shown(1000) - shown(300)) > 20


def test_a_ct_of_unknown_scale_shows_brain_as_dark_and_bone_as_white_as_one_in_hu(shared_data: Path) -> None:
    volume = read_volume(shared_data / "volumes" / "templates" / "scct.nii.gz")
    mapping = find_mapping(volume, Modality.CT)
    greys = mapping(sitk.GetArrayViewFromImage(volume.image))
    # Inside the skull, and the brightest twentieth, which is bone.
    assert 0.3 < np.median(greys[40:50, 45:65, 30:60]) < 0.42
    assert np.quantile(greys[greys > 0.05], 0.95) > 0.9
    assert (np.diff(mapping(np.linspace(mapping.low, mapping.high, 100))) > 0).all()


PLAIN = IntensityMapping(100.0, 1100.0)


@pytest.mark.parametrize("level", [0.26, 0.84])
@pytest.mark.parametrize("grey", [0.3, 0.35, 0.5, 0.6, 0.75, 0.95])
def test_tissue_comes_to_its_level_and_black_stays(grey: float, level: float) -> None:
    levelled = tissue_at_level(PLAIN, grey, level)
    np.testing.assert_allclose(levelled(np.array([100.0, 100 + 1000 * grey])), [0, level], atol=1e-6)
    greys = levelled(np.linspace(100, 1100, 201))
    assert (np.diff(greys) > 0).all()
    # Noise of what is brighter than dimmed tissue is not raised much.
    assert level > grey or np.diff(greys).max() <= 1.3 / 200 + 1e-6


@pytest.mark.parametrize(("grey", "level"), [(0.3, 0.26), (0.3, 0.84), (0.86, 0.84)])
def test_white_stays_where_it_does_not_lie_close_to_the_tissue(grey: float, level: float) -> None:
    assert tissue_at_level(PLAIN, grey, level)(np.float64(1100)) == 1


def test_what_is_nearly_black_is_brightened_three_times_at_most() -> None:
    assert tissue_at_level(PLAIN, 0.1, 0.84)(np.float64(200)) == pytest.approx(0.3, abs=1e-6)


def test_without_tissue_or_with_a_window_of_two_slopes_nothing_changes() -> None:
    two_slopes = IntensityMapping(0.0, 100.0, knee=(50.0, 0.9))
    assert tissue_at_level(PLAIN, 0.0, 0.84) == PLAIN
    assert tissue_at_level(two_slopes, 0.3, 0.84) == two_slopes


UNIT = IntensityMapping(0.0, 1.0)


def even_tissues(*greys: float, shares: tuple[float, ...] = (0.6, 0.4), noise: float = 0.02) -> np.ndarray:
    """Slices with an even tissue of each grey, one above the other, in air."""
    rng = np.random.default_rng(0)
    slices = np.zeros((6, 120, 90), np.float32)
    edges = np.round(np.cumsum((0, *shares)) * 100).astype(int) + 10
    for grey, top, bottom in zip(greys, edges[:-1], edges[1:], strict=True):
        slices[:, top:bottom, 10:80] = grey
    return np.clip(slices + noise * rng.standard_normal(slices.shape) * (slices > 0), 0, 1).astype(np.float32)


@pytest.mark.parametrize(
    ("greys", "shares", "of_t1", "of_t2"),
    [
        # White matter is the brighter of two neighbours on a T1, the darker on a T2, however much there is of either.
        ((0.5, 0.62), (0.6, 0.4), 0.62, 0.5),
        ((0.5, 0.62), (0.4, 0.6), 0.62, 0.5),
        # Fat, or fluid, is too far off to be either.
        ((0.4, 0.8), (0.6, 0.4), 0.4, 0.4),
        ((0.4, 0.8), (0.4, 0.6), 0.8, 0.8),
        # Little of a tissue does not count.
        ((0.5, 0.62), (0.9, 0.1), 0.5, 0.5),
    ],
)
def test_white_matter_is_the_outer_of_two_even_tissues(
    greys: tuple[float, ...], shares: tuple[float, ...], of_t1: float, of_t2: float
) -> None:
    slices = even_tissues(*greys, shares=shares)
    assert white_matter_grey(slices, UNIT, is_t1=True) == pytest.approx(of_t1, abs=0.015)
    assert white_matter_grey(slices, UNIT, is_t1=False) == pytest.approx(of_t2, abs=0.015)


@pytest.mark.parametrize("shape", [(3, 2, 50), (1, 50, 2), (4, 30, 30)])
def test_without_even_tissue_there_is_no_white_matter(shape: tuple[int, ...]) -> None:
    assert white_matter_grey(np.zeros(shape, np.float32), UNIT, is_t1=True) == 0


def test_one_slice_has_white_matter_too() -> None:
    assert white_matter_grey(even_tissues(0.5, 0.62)[:1], UNIT, is_t1=True) == pytest.approx(0.62, abs=0.015)


@pytest.mark.parametrize("head", ["stroke/", "open_ms/mni_patient07/", "templates/avg152"])
def test_white_matter_has_one_grey_in_every_head(shared_data: Path, head: str) -> None:
    shown = []
    for name in ("T1", "T2"):
        volume = read_volume(shared_data / f"volumes/{head}{name}.nii.gz")
        mapping = beside_mr(find_mapping(volume, Modality.MR), volume, is_t1=name == "T1")
        shown.append(mapping(to_slices(volume.image, Plane.AXIAL)))
    white = find_regions(*shown, None, head_of(*shown)).white
    of_t1, of_t2 = (float(np.median(greys[white])) for greys in shown)
    assert of_t1 == pytest.approx(WHITE_MATTER_OF_T1, abs=0.04)
    assert of_t2 == pytest.approx(WHITE_MATTER_OF_T2, abs=0.04)


def test_scalp_does_not_change_the_grey_of_white_matter(shared_data: Path) -> None:
    for name in ("open_ms/patient12/study1_T1W", "open_ms/patient01/study1_T1W", "open_ms/mni_patient07/T1"):
        volume = read_volume(shared_data / f"volumes/{name}.nii.gz")
        greys = beside_mr(find_mapping(volume, Modality.MR), volume, is_t1=True)(
            sitk.GetArrayViewFromImage(volume.image)
        )
        # In a T1 the brain's brightest broad class: the mode of the upper half of the greys below fat.
        counts, edges = np.histogram(greys[(greys > 0.7) & (greys < 0.9)], 40)
        assert edges[counts.argmax()] == pytest.approx(WHITE_MATTER_OF_T1, abs=0.05), name


def test_a_flair_in_the_place_of_a_t2_is_dimmed_and_its_lesions_stand_out(shared_data: Path) -> None:
    volume = read_volume(shared_data / "volumes/stroke/FLAIR.nii.gz")
    plain = find_mapping(volume, Modality.MR)
    shown = beside_mr(plain, volume, is_t1=False)
    tissue, lesion = 0.6 * plain.high, 0.9 * plain.high
    assert shown(tissue) < 0.3
    assert shown(lesion) - shown(tissue) > 1.2 * (plain(lesion) - plain(tissue))


def test_the_t2_of_a_neck_is_not_brightened_until_its_cord_is_white(shared_data: Path) -> None:
    volume = read_volume(shared_data / "volumes/spine/t2.nii.gz")
    plain = find_mapping(volume, Modality.MR)
    assert beside_mr(plain, volume, is_t1=False) == plain


def a_pet(acquisition: Acquisition) -> Volume:
    values = np.random.default_rng(0).gamma(2, 1000, (8, 20, 20)).astype(np.float32)
    return Volume(sitk.GetImageFromArray(values), "pet", "PT", acquisition=acquisition)


def described(acquisition: Acquisition, **settings: object) -> dict:
    volume = a_pet(acquisition)
    given = FusionSettings(fixed_modality=Modality.PET, moving_modality=Modality.PET, **settings)
    return SourcePair.settle(volume, volume, given).fixed.describe()


def test_a_pet_whose_header_gives_it_is_told_in_suv_and_its_window_given_in_suv() -> None:
    own, suv = described(Acquisition(unit="Bq/ml")), described(Acquisition(unit="Bq/ml", suv=0.001))
    assert (own["unit"], suv["unit"]) == ("Bq/ml", "SUV")
    assert np.isclose(suv["white"], own["white"] / 1000)
    asked = described(Acquisition(unit="Bq/ml", suv=0.001), fixed_window="2.5,5")
    assert (asked["black"], asked["white"]) == (0, 5)


def test_a_ct_is_told_in_hounsfield_units_and_an_mr_has_no_unit() -> None:
    values = np.full((8, 20, 20), -1000, np.int16)
    values[2:6, 4:16, 4:16] = 40
    ct = Volume(sitk.GetImageFromArray(values), "ct")
    assert (display_unit(ct, Modality.CT), display_unit(ct, Modality.MR)) == ("HU", "")
