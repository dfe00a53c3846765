"""CSAFusionLib/volumes/dicom/splitting.py."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest

from CSAFusionLib.volumes.dicom.elements import HeaderError
from CSAFusionLib.volumes.dicom.frames import Frame
from CSAFusionLib.volumes.dicom.splitting import split_into_volumes

AXIAL = np.eye(3)[:2]
SAGITTAL = np.array([[0.0, 1.0, 0.0], [0.0, 0.0, -1.0]])


def frames(places: Sequence[float], stack: str = "1", **labels: Sequence) -> list[Frame]:
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
    (volume,) = split_into_volumes(frames([0, 3, 6], EchoTime=[1.0, 2.0, 3.0]))
    assert (len(volume.frames), volume.description) == (3, "")


def test_an_attribute_that_parts_them_is_found_among_those_that_change_from_slice_to_slice() -> None:
    times = [str(number) for number in range(6)]
    found = split_into_volumes(frames([0, 0, 3, 3, 6, 6], ContentTime=times, EchoTime=[9.0, 4.5] * 3))
    assert indices(found) == [[1, 3, 5], [0, 2, 4]]
    assert [volume.description for volume in found] == ["echo time 4.5 ms", "echo time 9 ms"]


def test_two_attributes_together_part_what_neither_does_alone() -> None:
    echoes, phases = [1.0, 1.0, 2.0, 2.0] * 2, ["M", "P"] * 4
    found = split_into_volumes(frames([0] * 4 + [3] * 4, EchoTime=echoes, ComplexImageComponent=phases))
    assert indices(found) == [[0, 4], [1, 5], [2, 6], [3, 7]]
    assert "echo time 2 ms, complex image component P" in found[3].description


def test_a_label_that_only_some_have_is_told_as_missing() -> None:
    found = split_into_volumes(frames([0, 3, 0, 3], DiffusionGradientOrientation=["", "", "1, 0, 0", "1, 0, 0"]))
    descriptions = [volume.description for volume in found]
    assert descriptions == ["no diffusion gradient orientation", "diffusion gradient orientation 1, 0, 0"]


def test_a_volume_that_lacks_frames_is_told_from_the_others_all_the_same() -> None:
    found = split_into_volumes(frames([0, 3, 6, 0, 6], TemporalPositionIndex=[1.0, 1.0, 1.0, 2.0, 2.0]))
    assert indices(found) == [[0, 1, 2], [3, 4]]


def test_frames_that_nothing_tells_apart_are_parted_by_their_order() -> None:
    found = split_into_volumes(frames([0, 3, 6, 0, 3, 6]))
    assert indices(found) == [[0, 1, 2], [3, 4, 5]]
    assert all(volume.is_untold for volume in found)


def test_stacks_and_orientations_are_volumes_of_their_own() -> None:
    slabs = frames([0, 3]) + frames([50, 53], stack="2")
    assert [volume.description for volume in split_into_volumes(slabs)] == [
        "stack 1, axial, 8 x 6",
        "stack 2, axial, 8 x 6",
    ]
    turned = frames([0, 3], stack="") + [replace(one, orientation=SAGITTAL) for one in frames([0, 3], stack="")]
    turned[3] = replace(turned[3], position=np.array([5.0, 0, 0]))
    assert [volume.description for volume in split_into_volumes(turned)] == ["axial, 8 x 6", "sagittal, 8 x 6"]


def test_stacks_of_one_frame_each_are_one_volume() -> None:
    each = [replace(frame, stack=str(number)) for number, frame in enumerate(frames([0, 3, 6]))]
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
    several = frames([0, 3, 6])
    several[1] = replace(several[1], **odd)
    with pytest.raises(HeaderError, match=said):
        split_into_volumes(several)


def test_slices_that_are_all_at_one_position_are_refused() -> None:
    with pytest.raises(HeaderError, match="3 slices and all of them at one position"):
        split_into_volumes(frames([4, 4, 4]))
