"""Frames become stacks, stacks become volumes."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest

from CSAFusionLib.volumes.dicom.frames import Frame
from CSAFusionLib.volumes.dicom.headers import HeaderError
from CSAFusionLib.volumes.dicom.stacking import shifted, split_into_volumes, stack_frames

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


PLANE = np.add.outer(10.0 * np.arange(6), np.arange(8.0))


def test_a_slice_is_seen_where_it_lies_between_voxels_too() -> None:
    moved = shifted(PLANE, np.array([0.25, 0.5]))
    np.testing.assert_allclose(moved[1:, 1:], PLANE[1:, 1:] - 0.25 - 5)


def test_whole_voxels_are_moved_and_the_border_is_repeated() -> None:
    moved = shifted(PLANE, np.array([2.0, 0.0]))
    np.testing.assert_array_equal(moved[:, 2:], PLANE[:, :-2])
    np.testing.assert_array_equal(moved[:, :2], PLANE[:, :1].repeat(2, axis=1))


def test_a_slice_in_its_place_stays_as_it_is_and_colours_move_together() -> None:
    assert shifted(PLANE, np.zeros(2)) is PLANE
    colours = np.stack([PLANE, 2 * PLANE, 3 * PLANE], axis=-1)
    moved = shifted(colours, np.array([0.5, 0.5]))
    np.testing.assert_allclose(moved[..., 2], 3 * shifted(PLANE, np.array([0.5, 0.5])))


SAGITTAL = np.array([[0.0, 1.0, 0.0], [0.0, 0.0, -1.0]])


def frames_at(places: Sequence[float], stack: str = "1", **labels: Sequence) -> list[Frame]:
    """Axial frames at places along z, each with its label of every name."""
    return [
        Frame(
            file=Path("a"),
            index=index,
            size=(6, 8),
            position=np.array([0.0, 0.0, place]),
            orientation=AXIAL,
            spacing=(1.0, 1.0),
            labels={name: values[index] for name, values in labels.items()},
            stack=stack,
            number=index,
        )
        for index, place in enumerate(places)
    ]


def indices(found) -> list[list[int]]:
    return [[frame.index for frame in volume.frames] for volume in found]


def test_frames_at_places_of_their_own_are_one_volume() -> None:
    (volume,) = split_into_volumes(frames_at([0, 3, 6], EchoTime=[1.0, 2.0, 3.0]))
    assert (len(volume.frames), volume.description) == (3, "")


def test_an_attribute_that_parts_them_is_found_among_those_that_change_from_slice_to_slice() -> None:
    times = [str(number) for number in range(6)]
    found = split_into_volumes(frames_at([0, 0, 3, 3, 6, 6], ContentTime=times, EchoTime=[9.0, 4.5] * 3))
    assert indices(found) == [[1, 3, 5], [0, 2, 4]]
    assert [volume.description for volume in found] == ["echo time 4.5 ms", "echo time 9 ms"]


def test_two_attributes_together_part_what_neither_does_alone() -> None:
    echoes, phases = [1.0, 1.0, 2.0, 2.0] * 2, ["M", "P"] * 4
    found = split_into_volumes(frames_at([0] * 4 + [3] * 4, EchoTime=echoes, ComplexImageComponent=phases))
    assert indices(found) == [[0, 4], [1, 5], [2, 6], [3, 7]]
    assert "echo time 2 ms, complex image component P" in found[3].description


def test_a_label_that_only_some_have_is_told_as_missing() -> None:
    found = split_into_volumes(frames_at([0, 3, 0, 3], DiffusionGradientOrientation=["", "", "1, 0, 0", "1, 0, 0"]))
    descriptions = [volume.description for volume in found]
    assert descriptions == ["no diffusion gradient orientation", "diffusion gradient orientation 1, 0, 0"]


def test_a_volume_that_lacks_frames_is_told_from_the_others_all_the_same() -> None:
    found = split_into_volumes(frames_at([0, 3, 6, 0, 6], TemporalPositionIndex=[1.0, 1.0, 1.0, 2.0, 2.0]))
    assert indices(found) == [[0, 1, 2], [3, 4]]


def test_frames_that_nothing_tells_apart_are_parted_by_their_order() -> None:
    found = split_into_volumes(frames_at([0, 3, 6, 0, 3, 6]))
    assert indices(found) == [[0, 1, 2], [3, 4, 5]]
    assert all(volume.is_untold for volume in found)


def test_stacks_and_orientations_are_volumes_of_their_own() -> None:
    slabs = frames_at([0, 3]) + frames_at([50, 53], stack="2")
    assert [volume.description for volume in split_into_volumes(slabs)] == [
        "stack 1, axial, 8 x 6",
        "stack 2, axial, 8 x 6",
    ]
    turned = frames_at([0, 3], stack="") + [replace(one, orientation=SAGITTAL) for one in frames_at([0, 3], stack="")]
    turned[3] = replace(turned[3], position=np.array([5.0, 0, 0]))
    assert [volume.description for volume in split_into_volumes(turned)] == ["axial, 8 x 6", "sagittal, 8 x 6"]


def test_stacks_of_one_frame_each_are_one_volume() -> None:
    each = [replace(frame, stack=str(number)) for number, frame in enumerate(frames_at([0, 3, 6]))]
    assert len(split_into_volumes(each)) == 1


@pytest.mark.parametrize(
    ("odd", "said"),
    [
        ({"orientation": SAGITTAL}, "slices that are not parallel"),
        ({"size": (4, 4)}, "slices of different sizes"),
        ({"position": None}, "slices without a position"),
        ({"orientation": None}, "slices without a position"),
    ],
)
def test_a_single_frame_that_does_not_belong_is_refused(odd, said: str) -> None:
    several = frames_at([0, 3, 6])
    several[1] = replace(several[1], **odd)
    with pytest.raises(HeaderError, match=said):
        split_into_volumes(several)


def test_slices_that_are_all_at_one_position_are_refused() -> None:
    with pytest.raises(HeaderError, match="3 slices and all of them at one position"):
        split_into_volumes(frames_at([4, 4, 4]))
