"""CSAFusionLib/volumes/dicom/stacking.py."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest

from CSAFusionLib.volumes.dicom.elements import HeaderError
from CSAFusionLib.volumes.dicom.frames import Frame
from CSAFusionLib.volumes.dicom.stacking import stack_frames

AXIAL = np.eye(3)[:2]


def frames(positions: Sequence[Sequence[float]], orientation: np.ndarray = AXIAL) -> list[Frame]:
    return [
        Frame(Path("a"), index, (6, 8), np.array(position, float), orientation, (0.5, 0.75), thickness=3)
        for index, position in enumerate(positions)
    ]


def upright(*places: float, lean: float = 0.0) -> list[Frame]:
    return frames([(10, 20 + lean * place, place) for place in places])


def test_frames_are_ordered_along_their_normal_and_the_first_gives_the_origin() -> None:
    stack = stack_frames(upright(6, 0, 3))
    assert [frame.index for frame in stack.frames] == [1, 2, 0]
    assert stack.origin.tolist() == [10, 20, 0]
    assert stack.spacing == (0.75, 0.5, 3)
    np.testing.assert_array_equal(stack.direction, np.eye(3))
    assert stack.drift == 0


def test_cosines_of_two_decimals_give_directions_at_right_angles() -> None:
    rounded = np.array([[0.98, 0.17, 0.0], [-0.17, 0.98, 0.0]])
    stack = stack_frames(frames([(0, 0, 0), (0, 0, 3)], rounded))
    np.testing.assert_allclose(stack.direction.T @ stack.direction, np.eye(3), atol=1e-12)


def test_slices_that_drift_are_shifted_and_not_called_tilted() -> None:
    stack = stack_frames(upright(0, 30, 60, 90, lean=0.6 / 90))
    assert stack.drift == pytest.approx(0.6)
    np.testing.assert_allclose(stack.aside[:, 1], np.array([0, 0.2, 0.4, 0.6]) / 0.5)
    np.testing.assert_array_equal(stack.direction, np.eye(3))


def test_rounding_of_positions_is_no_drift() -> None:
    assert stack_frames(upright(0, 30, 60, 90, lean=0.09 / 90)).drift == 0


def test_a_tilt_is_refused_with_its_angle() -> None:
    with pytest.raises(HeaderError, match=r"tilted gantry \(15 degrees\)"):
        stack_frames(upright(0, 3, 6, lean=np.tan(np.radians(15))))


def test_a_tilt_that_is_kept_shears_the_third_direction_along_the_positions() -> None:
    stack = stack_frames(upright(0, 3, 6, lean=0.75), keep_tilt=True)
    np.testing.assert_allclose(stack.direction[:, 2], [0, 0.6, 0.8])
    assert stack.spacing[2] == pytest.approx(3.75)
    assert stack.drift == 0


def test_slices_beside_each_other_are_refused() -> None:
    with pytest.raises(HeaderError, match="4 mm beside each other"):
        stack_frames(frames([(0, 0, 0), (4, 0, 3), (0, 0, 6)]))


def test_pixel_spacings_that_differ_or_are_missing_are_refused() -> None:
    several = upright(0, 3, 6)
    with pytest.raises(HeaderError, match=r"different pixel spacings \(0.5 to 0.9 mm\)"):
        stack_frames([*several[:2], replace(several[2], spacing=(0.9, 0.75))])
    with pytest.raises(HeaderError, match="pixel spacing of every slice"):
        stack_frames([*several[:2], replace(several[2], spacing=None)])


def test_a_single_slice_is_as_thick_as_its_header_says_or_refused() -> None:
    (single,) = upright(5)
    assert stack_frames([single]).spacing[2] == 3
    with pytest.raises(HeaderError, match="thickness is not given"):
        stack_frames([replace(single, thickness=None)])
