"""Colour: luminance and chrominance, tables, and OKLab."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pydicom
import pytest

from CSAFusionLib.errors import InputError
from CSAFusionLib.fusion.colour import COLOUR_TABLES, apply_colour_table, shaded, to_linear, to_srgb
from CSAFusionLib.intensity.voxel_values import rgb_to_yuv, yuv_to_rgb


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
