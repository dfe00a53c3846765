"""Colour: tables, luminance and chrominance put back, and pictures of two sources that no network makes."""

from __future__ import annotations

import itertools
from pathlib import Path

import numpy as np
import pydicom
import pytest
import SimpleITK as sitk

from CSAFusionLib.errors import InputError
from CSAFusionLib.fusion.colour import COLOUR_TABLES, Source, apply_colour_table, shaded, to_linear, to_srgb
from CSAFusionLib.fusion.colouring import (
    bind_colour,
    blend,
    join_chrominance,
    local_detail,
    to_rgb,
    two_colours,
    wide_volume,
)
from CSAFusionLib.fusion.pipeline import fuse_volumes
from CSAFusionLib.fusion.settings import FusionSettings
from CSAFusionLib.fusion.source_pair import NetworkInput, fixed_is_a
from CSAFusionLib.geometry.planes import Plane, to_slices
from CSAFusionLib.intensity.modality import Modality
from CSAFusionLib.intensity.voxel_values import rgb_to_yuv, yuv_to_rgb
from CSAFusionLib.volumes.volume import Volume


@pytest.mark.parametrize("dtype", [np.float32, np.float64])
def test_the_round_trip_returns_every_colour(dtype: type) -> None:
    corners = np.stack(np.meshgrid(*[[0, 0.25, 0.5, 1]] * 3), axis=-1).astype(dtype)
    back = yuv_to_rgb(rgb_to_yuv(corners))
    assert back.dtype == dtype
    np.testing.assert_allclose(back, corners, atol=1e-6)


@pytest.mark.parametrize(
    ("rgb", "yuv"),
    [
        # The primaries by the definitions of BT.601.
        ((1, 0, 0), (0.299, -0.147108, 0.614777)),
        ((0, 1, 0), (0.587, -0.288804, -0.514799)),
        ((0, 0, 1), (0.114, 0.435912, -0.099978)),
        ((1, 1, 1), (1, 0, 0)),
        ((0.5, 0.5, 0.5), (0.5, 0, 0)),
    ],
)
def test_the_primaries_and_grey_have_the_luminance_and_chrominance_of_bt_601(rgb: tuple, yuv: tuple) -> None:
    np.testing.assert_allclose(rgb_to_yuv(np.array(rgb, float)), yuv, atol=1e-6)


def test_a_luminance_no_screen_can_show_is_clipped() -> None:
    yuv = rgb_to_yuv(np.array([1.0, 0, 0]))
    yuv[0] = 1
    rgb = yuv_to_rgb(yuv)
    assert rgb.max() == 1
    assert rgb.min() >= 0


RAMP = np.linspace(0, 1, 1001)


@pytest.mark.parametrize("name", COLOUR_TABLES)
def test_every_table_starts_darkest_and_stays_within_the_unit_range(name: str) -> None:
    colours = apply_colour_table(RAMP, name)
    assert colours.shape == (1001, 3)
    assert colours.dtype == np.float32
    # Viridis alone starts at a dark violet; below full colour the anatomy's grey is shown anyway.
    assert colours[0].max() <= (0.33 if name == "viridis" else 0.05)
    assert rgb_to_yuv(colours)[:, 0].argmin() == 0
    assert colours.min() >= 0
    assert colours.max() <= 1


@pytest.mark.parametrize("name", ["hot-iron", "hot", "viridis", "inferno", "grey", "ice"])
def test_tables_for_amounts_grow_brighter_all_the_way(name: str) -> None:
    luminance = rgb_to_yuv(apply_colour_table(RAMP, name))[:, 0]
    assert (np.diff(luminance) > 0).all()
    assert luminance[-1] > 0.75


def test_hot_iron_is_the_palette_of_dicom() -> None:
    # PS3.6 B.1.1: red rises over the first half, green over the second, blue over the last quarter.
    expected = {0: (0, 0, 0), 64: (128, 0, 0), 128: (255, 0, 0), 192: (255, 128, 0), 224: (255, 192, 128)}
    for entry, rgb in expected.items():
        np.testing.assert_allclose(apply_colour_table(np.array(entry / 255), "hot-iron") * 255, rgb, atol=3)


def test_the_shape_of_the_values_is_kept() -> None:
    assert apply_colour_table(np.zeros((2, 3, 4)), "rainbow").shape == (2, 3, 4, 3)


def test_an_unknown_table_is_refused_with_the_known_ones() -> None:
    with pytest.raises(
        InputError,
        match="'jet' is not a colour table; give one of hot-iron, dicom-pet, hot, .*rainbow",
    ):
        apply_colour_table(RAMP, "jet")


@pytest.mark.parametrize("name", ["viridis", "inferno", "hot"])
def test_tables_of_matplotlib_are_its_own(name: str) -> None:
    matplotlib = pytest.importorskip("matplotlib", reason="matplotlib is not installed")
    unit = np.linspace(0, 1, 256)
    np.testing.assert_allclose(apply_colour_table(unit, name), matplotlib.colormaps[name](unit)[:, :3], atol=2.5 / 255)


@pytest.mark.parametrize(("name", "file"), [("dicom-pet", "pet.dcm"), ("hot-iron", "hotiron.dcm")])
def test_tables_of_dicom_are_the_standard_s(name: str, file: str) -> None:
    folder = Path(pydicom.__file__).parent / "data" / "palettes"
    palette = pydicom.dcmread(folder / file)
    channels = [palette[f"{colour}PaletteColorLookupTableData"].value for colour in ("Red", "Green", "Blue")]
    table = np.stack([np.frombuffer(channel, np.uint8) for channel in channels], axis=-1) / 255
    np.testing.assert_allclose(apply_colour_table(np.linspace(0, 1, 256), name), table, atol=4 / 255)


def test_linear_light_and_back_is_the_same() -> None:
    values = np.linspace(0, 1, 101)
    np.testing.assert_allclose(to_srgb(to_linear(values)), values, atol=1e-5)


@pytest.mark.parametrize("factor", [0.6, 0.9, 1.2])
def test_shading_scales_lightness_and_chroma_of_oklab_and_keeps_its_hue(factor: float) -> None:
    coloraide = pytest.importorskip("coloraide", reason="coloraide is not installed")
    for colour in ((0.5, 0.1, 0.05), (0.2, 0.4, 0.6), (0.3, 0.3, 0.3)):
        changed = shaded(np.array(colour), np.array(factor))
        before, after = (coloraide.Color("srgb", list(map(float, one))).convert("oklab") for one in (colour, changed))
        np.testing.assert_allclose(after[:3], factor * np.array(before[:3]), atol=2e-3)


@pytest.mark.parametrize("table", COLOUR_TABLES)
def test_no_channel_is_clipped_so_that_the_colour_can_be_read_back(table: str) -> None:
    colours = apply_colour_table(np.linspace(0, 1, 64), table)
    light = to_linear(colours)
    bright = to_linear(shaded(colours, np.full(64, 1.4)))
    seen = light.max(axis=-1) > 1e-3
    ratio = bright[seen] / np.maximum(light[seen], 1e-6)
    lit = light[seen] > 1e-3
    for row, mask in zip(ratio, lit, strict=True):
        np.testing.assert_allclose(row[mask], row[mask][0], rtol=5e-3)


@pytest.mark.parametrize(
    ("fixed", "moving", "is_a"),
    [
        ("CT", "MR", True),
        ("MR", "CT", False),
        ("MR", "PET", False),
        ("SPECT", "MR", True),
        ("CT", "PET", False),
        ("MR", "MR", True),
        ("CT", "CT", True),
        ("PET", "SPECT", True),
        ("SPECT", "PET", True),
    ],
)
def test_channel_a_is_the_functional_volume_then_the_ct_then_the_fixed_one(fixed: str, moving: str, is_a: bool) -> None:
    assert fixed_is_a(Modality[fixed], Modality[moving]) is is_a


def test_colour_comes_back_when_the_luminance_is_left_alone() -> None:
    rgb = np.random.default_rng(0).integers(0, 256, (2, 5, 4, 3), dtype=np.uint8)
    source = Source.from_slices(rgb.astype(np.float32) / 255, len(rgb))
    assert source.chrominance is not None
    np.testing.assert_array_equal(to_rgb(source.luminance, source.chrominance), rgb)


def test_a_grey_source_has_no_chrominance() -> None:
    assert Source.from_slices(np.zeros((2, 5, 4), np.float32), 2).chrominance is None


def test_the_network_never_sees_the_border_of_the_moving_field_of_view() -> None:
    fixed, moving = np.full((1, 1, 3), 0.7), np.full((1, 1, 3), 0.2)
    seen = NetworkInput(moving, np.array([True]), fixed, np.array([[[0.0, 0.5, 1.0]]]))
    assert seen.shape == (1, 1, 3)
    np.testing.assert_array_equal(seen[0], [[0.7, 0.2, 0.2]])


def test_the_network_sees_nothing_of_a_slice_that_nobody_wants_fused() -> None:
    slices = np.full((2, 1, 3), 0.7)
    seen = NetworkInput(slices, np.array([False, True]), slices, np.ones((2, 1, 3)))
    assert not seen[0].any()
    np.testing.assert_array_equal(seen[1], slices[1])


def test_the_result_goes_over_to_the_fixed_volume_where_the_moving_one_ends() -> None:
    blended = blend(np.full((1, 1, 3), 0.8), np.full((1, 1, 3), 0.4), np.array([[[0.0, 0.5, 1.0]]]))
    np.testing.assert_allclose(blended, [[[0.4, 0.6, 0.8]]])


def test_the_moving_volume_s_colour_ends_with_its_field_of_view() -> None:
    grey, coloured = Source(np.ones((1, 1, 2))), Source(np.ones((1, 1, 2)), np.full((1, 1, 2, 2), 0.3))
    joined = join_chrominance(grey, coloured, np.array([[[0.0, 1.0]]]))
    np.testing.assert_allclose(joined, [[[[0, 0], [0.3, 0.3]]]])


def test_the_fixed_volume_s_colour_is_everywhere() -> None:
    grey, coloured = Source(np.ones((1, 1, 2))), Source(np.ones((1, 1, 2)), np.full((1, 1, 2, 2), 0.3))
    np.testing.assert_allclose(join_chrominance(coloured, grey, np.zeros((1, 1, 2))), coloured.chrominance)


def test_of_two_colours_each_stays_where_the_other_has_none() -> None:
    one = Source(np.ones((1, 1, 3)), np.array([[[[0.4, 0.0], [0.0, 0.0], [0.4, -0.2]]]]))
    other = Source(np.ones((1, 1, 3)), np.array([[[[0.0, 0.0], [0.2, -0.3], [0.2, -0.2]]]]))
    joined = join_chrominance(one, other, np.ones((1, 1, 3)))
    np.testing.assert_allclose(joined, [[[[0.4, 0], [0.2, -0.3], [(0.16 + 0.04) / 0.6, -0.2]]]])


def test_two_grey_sources_give_no_colour() -> None:
    grey = Source(np.ones((1, 1, 2)))
    assert join_chrominance(grey, grey, np.ones((1, 1, 2))) is None


SHAPE = (2, 32, 40)


@pytest.fixture
def anatomy() -> np.ndarray:
    """Slices with edges and texture, brighter than air."""
    random = np.random.default_rng(0)
    slices = 0.4 + 0.1 * random.random(SHAPE, np.float32)
    slices[:, 10:20] += 0.3
    return slices


def bound(uptake: np.ndarray, anatomy: np.ndarray, **options: tuple[float, float]) -> np.ndarray:
    return bind_colour(uptake, "hot-iron", anatomy, anatomy, np.ones(SHAPE, np.float32), pixel=(1.0, 1.0), **options)


def read_back(rgb: np.ndarray) -> np.ndarray:
    positions = np.linspace(0, 1, 512, dtype=np.float32)
    table = apply_colour_table(positions, "hot-iron")
    return positions[((rgb[..., None, :] - table) ** 2).sum(axis=-1).argmin(axis=-1)]


def test_uptake_is_read_back_from_the_colour_better_than_from_an_overlay(anatomy: np.ndarray) -> None:
    uptake = np.random.default_rng(1).uniform(0.1, 1, SHAPE).astype(np.float32)
    overlay = 0.5 * apply_colour_table(uptake, "hot-iron") + 0.5 * anatomy[..., None]
    error = np.abs(read_back(bound(uptake, anatomy)) - uptake).mean()
    assert error <= 0.06
    assert error < np.abs(read_back(overlay) - uptake).mean() / 2


def test_there_is_no_colour_where_nothing_is_taken_up(anatomy: np.ndarray) -> None:
    rgb = bound(np.zeros(SHAPE, np.float32), anatomy)
    np.testing.assert_array_equal(rgb, np.repeat(anatomy[..., None], 3, axis=-1))


def test_anatomical_edges_show_inside_the_uptake(anatomy: np.ndarray) -> None:
    rgb = bound(np.full(SHAPE, 0.4, np.float32), anatomy)
    brightness = rgb.max(axis=-1)
    assert np.corrcoef(local_detail(anatomy[0], (1.0, 1.0)).ravel(), brightness[0].ravel())[0, 1] > 0.9


def test_no_colour_leaves_the_screen_s_range_and_no_hue_changes(anatomy: np.ndarray) -> None:
    uptake = np.linspace(0.1, 1, np.prod(SHAPE), dtype=np.float32).reshape(SHAPE)
    rgb, table = bound(uptake, anatomy), apply_colour_table(uptake, "hot-iron")
    assert rgb.min() >= 0
    assert rgb.max() <= 1 + 1e-6
    # OKLab's hue stays where linear light is scaled.
    light, own = to_linear(rgb), to_linear(table)
    shade = light.max(axis=-1, keepdims=True) / own.max(axis=-1, keepdims=True)
    np.testing.assert_allclose(light, own * shade, atol=1e-5)


def test_without_strength_the_functional_volume_has_no_colour(anatomy: np.ndarray) -> None:
    rgb = bound(np.full(SHAPE, 0.8, np.float32), anatomy, strengths=(0.0, 2.0))
    assert np.ptp(rgb, axis=-1).max() == 0


def test_without_strength_of_the_anatomy_the_colour_is_the_table_s(anatomy: np.ndarray) -> None:
    uptake = np.full(SHAPE, 0.8, np.float32)
    rgb = bound(uptake, anatomy, strengths=(2.0, 0.0))
    np.testing.assert_allclose(rgb, apply_colour_table(uptake, "hot-iron"), atol=1e-6)


def test_detail_is_measured_in_mm() -> None:
    fine = np.full((64, 64), 0.2, np.float32)
    fine[:, 24:40] = 0.7
    coarse = fine[::2, ::2]
    np.testing.assert_allclose(local_detail(fine, (1, 1))[::2, ::2], local_detail(coarse, (2, 2)), atol=0.25)


def test_a_slice_too_narrow_for_surroundings_has_no_detail() -> None:
    assert not local_detail(np.ones((3, 40), np.float32), (1.0, 1.0)).any()


def test_the_table_s_own_colour_is_shown_where_the_anatomy_does_not_reach(anatomy: np.ndarray) -> None:
    uptake = np.linspace(0, 1, np.prod(SHAPE), dtype=np.float32).reshape(SHAPE)
    rgb = bind_colour(uptake, "hot-iron", anatomy, anatomy, np.zeros(SHAPE, np.float32), pixel=(1.0, 1.0))
    np.testing.assert_allclose(rgb, apply_colour_table(uptake, "hot-iron"), atol=1e-6)


def test_tissue_beside_air_is_no_brighter_than_its_uptake() -> None:
    flat = np.zeros(SHAPE, np.float32)
    flat[:, 8:24, 8:32] = 0.6
    uptake = np.full(SHAPE, 0.3, np.float32)
    inside = bound(uptake, flat)[flat > 0]
    np.testing.assert_allclose(inside, apply_colour_table(uptake, "hot-iron")[flat > 0], atol=0.02)


AS_IS = {"registration": "none", "fixed_modality": "MR", "fixed_window": "50,100"}


def a_volume(values: np.ndarray, name: str) -> Volume:
    return Volume(sitk.GetImageFromArray(values.astype(np.float32)), name)


@pytest.fixture
def a_pair() -> tuple[Volume, Volume]:
    rng = np.random.default_rng(0)
    smooth = [sitk.GetArrayFromImage(sitk.DiscreteGaussian(sitk.GetImageFromArray(rng.random((6, 24, 24))), 4.0))]
    base = (smooth[0] - smooth[0].min()) / np.ptp(smooth[0])
    return a_volume(100 * base, "fixed"), a_volume(100 * base[::-1], "moving")


def pixels(result: object) -> np.ndarray:
    return sitk.GetArrayFromImage(result.fused).astype(float)


def test_an_overlay_shows_as_much_of_the_moving_volume_as_its_opacity(a_pair: tuple) -> None:
    settings = {**AS_IS, "moving_modality": "MR", "moving_window": "50,100", "style": "overlay"}
    a, b = (sitk.GetArrayFromImage(volume.image) / 100 * 255 for volume in a_pair)
    for opacity in (0.0, 0.3, 1.0):
        result = fuse_volumes(*a_pair, FusionSettings(**settings, opacity=opacity))
        np.testing.assert_allclose(pixels(result)[..., 1], (1 - opacity) * a + opacity * b, atol=1.5)
        assert result.provenance["weights"]["name"] == "none"
        assert result.fused.GetSize() == a_pair[0].image.GetSize()


def test_an_overlay_colours_the_functional_volume_whichever_it_is(a_pair: tuple) -> None:
    fixed, moving = a_pair
    asked = FusionSettings(**AS_IS, moving_modality="PET", style="overlay", opacity=1.0)
    over = fuse_volumes(fixed, moving, asked)
    assert over.provenance["moving"]["colour_table"] == "hot-iron"
    turned = FusionSettings(
        registration="none", fixed_modality="PET", moving_modality="MR", moving_window="50,100", style="overlay",
        opacity=1.0,
    )  # fmt: skip
    under = fuse_volumes(moving, fixed, turned)
    np.testing.assert_allclose(pixels(over), pixels(under), atol=2)
    assert (pixels(over)[..., 0] - pixels(over)[..., 2]).max() > 200


def test_two_colours_tell_the_source_and_are_grey_where_both_agree(a_pair: tuple) -> None:
    np.testing.assert_allclose(two_colours(np.array([1.0, 0, 0.4]), np.array([0, 1.0, 0.4])),
                               [[1, 0.5, 0], [0, 0.5, 1], [0.4, 0.4, 0.4]])  # fmt: skip
    settings = FusionSettings(**AS_IS, moving_modality="MR", moving_window="50,100", style="two-colour")
    same = fuse_volumes(a_pair[0], a_pair[0], settings)
    assert np.ptp(pixels(same), axis=-1).max() == 0


def test_side_by_side_has_the_fixed_volume_on_its_own_place_and_the_moving_one_beside_it(a_pair: tuple) -> None:
    settings = FusionSettings(**AS_IS, moving_modality="PET", style="side-by-side")
    result = fuse_volumes(*a_pair, settings)
    assert result.fused.GetSize() == (48, 24, 6)
    assert result.fused.GetOrigin() == a_pair[0].image.GetOrigin()
    assert result.figures == {}
    with pytest.raises(InputError, match="grid of its own"):
        result.save("nowhere")


@pytest.mark.parametrize("plane", [Plane.AXIAL, Plane.CORONAL, Plane.SAGITTAL])
def test_the_first_half_of_a_wide_volume_lies_on_the_grid_however_it_is_stored(plane: Plane) -> None:
    image = sitk.GetImageFromArray(np.random.default_rng(0).integers(0, 99, (4, 5, 6)).astype(np.uint8))
    image.SetSpacing((1, 2, 3))
    for order, flips in itertools.product(itertools.permutations(range(3)), itertools.product((False, True), repeat=3)):
        stored = sitk.Flip(sitk.PermuteAxes(image, order), flips)
        slices = np.repeat(to_slices(stored, plane)[..., None], 3, axis=-1)
        wide = wide_volume(np.concatenate([slices, 0 * slices], axis=2), stored, plane)
        back = sitk.Resample(sitk.VectorIndexSelectionCast(wide, 0), stored, sitk.Transform(), sitk.sitkNearestNeighbor)
        np.testing.assert_array_equal(sitk.GetArrayViewFromImage(back), sitk.GetArrayViewFromImage(stored))
        np.testing.assert_array_equal(to_slices(wide, plane)[:, :, : slices.shape[2]], slices)
