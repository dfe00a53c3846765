"""CSAFusionLib.fusion.sources"""

from __future__ import annotations

import numpy as np
import pytest

from CSAFusionLib.fusion.sources import Seen, Source, blend, fixed_is_a, join_chrominance, to_rgb
from CSAFusionLib.intensity.modality import Modality


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
    seen = Seen(moving, np.array([True]), fixed, np.array([[[0.0, 0.5, 1.0]]]))
    assert seen.shape == (1, 1, 3)
    np.testing.assert_array_equal(seen[0], [[0.7, 0.2, 0.2]])


def test_the_network_sees_nothing_of_a_slice_that_nobody_wants_fused() -> None:
    slices = np.full((2, 1, 3), 0.7)
    seen = Seen(slices, np.array([False, True]), slices, np.ones((2, 1, 3)))
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
