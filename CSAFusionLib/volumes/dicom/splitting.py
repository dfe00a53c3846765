"""Tell the volumes that a series or a file holds apart."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Callable, Hashable, Iterable, Sequence
from dataclasses import dataclass, replace
from itertools import combinations
from typing import TypeVar

import numpy as np

from CSAFusionLib.volumes.dicom.elements import HeaderError
from CSAFusionLib.volumes.dicom.frames import Frame
from CSAFusionLib.volumes.dicom.labels import Label, in_words

K = TypeVar("K", bound=Hashable)
T = TypeVar("T")

# Two orientations are the same when no direction cosine differs by more.
PARALLEL = 1e-3
# Slices nearer than this share of the usual distance, or than so many mm, are at one place.
_ONE_PLACE = 0.01
_ONE_PLACE_MM = 1e-3
# So many attributes together tell volumes apart, out of so many that could.
_MOST_TOGETHER = 3
_MOST_ATTRIBUTES = 16


@dataclass(frozen=True)
class SubVolume:
    """The frames of one volume, and what tells it from the others beside it ('' where it is alone).

    is_untold: whether no attribute tells it from the others, but only the order of the frames.
    """

    frames: tuple[Frame, ...]
    description: str = ""
    is_untold: bool = False


def split_into_volumes(frames: Sequence[Frame]) -> list[SubVolume]:
    """Return the volumes of some frames: by size, orientation and stack, then by what parts frames at one place.

    Raises HeaderError for frames without a place, and for single ones of another size or orientation.
    """
    if any(frame.position is None or frame.orientation is None for frame in frames):
        raise HeaderError("has slices without a position in the patient; export the original series")
    stacks = _stacks(frames)
    several = len(stacks) > 1
    return [
        replace(part, description=", ".join(filter(None, (name if several else "", part.description))))
        for name, stack in stacks
        for part in _split_stack(stack)
    ]


def places_along_normal(frames: Sequence[Frame]) -> np.ndarray:
    """Return where parallel frames lie along their common normal, (N,) mm."""
    assert frames[0].orientation is not None
    normal = np.cross(*frames[0].orientation)
    return np.array([frame.position @ normal for frame in frames if frame.position is not None])


def _stacks(frames: Sequence[Frame]) -> list[tuple[str, list[Frame]]]:
    """The frames by orientation and, where every stack has several frames, by the stack that they name."""
    alike = [
        parallel
        for one_size in _grouped(frames, lambda frame: frame.size).values()
        for parallel in _by_orientation(one_size)
    ]
    if len(alike) > 1 and min(len(group) for group in alike) == 1:
        differ = "of different sizes" if len({frame.size for frame in frames}) > 1 else "that are not parallel"
        raise HeaderError(f"has slices {differ}; give the slices of one stack, without the localizer")
    stacks = []
    for group in alike:
        named = _grouped(group, lambda frame: frame.stack)
        parts = [group] if min(len(part) for part in named.values()) == 1 else list(named.values())
        stacks += [(_stack_name(part[0]), part) for part in parts]
    return stacks


def _by_orientation(frames: Sequence[Frame]) -> list[list[Frame]]:
    groups: list[list[Frame]] = []
    for frame in frames:
        for group in groups:
            if np.abs(np.subtract(frame.orientation, group[0].orientation)).max() <= PARALLEL:  # type: ignore[arg-type]
                group.append(frame)
                break
        else:
            groups.append([frame])
    return groups


def _stack_name(frame: Frame) -> str:
    assert frame.orientation is not None
    plane = ("sagittal", "coronal", "axial")[int(np.abs(np.cross(*frame.orientation)).argmax())]
    rows, columns = frame.size
    return f"{f'stack {frame.stack}, ' if frame.stack else ''}{plane}, {columns} x {rows}"


def _split_stack(frames: Sequence[Frame]) -> list[SubVolume]:
    places = _place_numbers(frames)
    most = int(np.bincount(places).max())
    if most == 1:
        return [SubVolume(tuple(frames))]
    if places.max() == 0:
        raise HeaderError(f"has {len(frames)} slices and all of them at one position; give a volume of slices")
    names = _telling(frames, places, most)
    if names is None:
        return _by_order(frames, places)
    parts: dict[tuple[Label, ...], list[Frame]] = _grouped(
        frames, lambda frame: tuple(frame.labels.get(name, "") for name in names)
    )
    return [
        SubVolume(tuple(parts[labels]), _described(names, labels))
        for labels in sorted(parts, key=lambda labels: [(isinstance(one, str), one) for one in labels])
    ]


def _place_numbers(frames: Sequence[Frame]) -> np.ndarray:
    """The number of the place along the normal at which each frame lies, (N,) from 0."""
    along = places_along_normal(frames)
    order = np.argsort(along, kind="stable")
    gaps = np.diff(along[order])
    real = gaps[gaps > _ONE_PLACE_MM]
    near = max(_ONE_PLACE_MM, _ONE_PLACE * float(np.median(real))) if len(real) else _ONE_PLACE_MM
    numbers = np.empty(len(frames), int)
    numbers[order] = np.concatenate([[0], np.cumsum(gaps > near)])
    return numbers


def _telling(frames: Sequence[Frame], places: np.ndarray, most: int) -> tuple[str, ...] | None:
    """The fewest attributes that part frames into the fewest volumes without two frames at one place, or None."""
    names = list(dict.fromkeys(name for frame in frames for name in frame.labels))
    varying = [name for name in names if _varies_at_a_place(frames, places, name)][:_MOST_ATTRIBUTES]
    best: tuple[int, tuple[str, ...]] | None = None
    for together in range(1, _MOST_TOGETHER + 1):
        for some in combinations(varying, together):
            count = _volumes_by(frames, places, some)
            if count == most:
                return some
            if count is not None and 2 * count <= len(frames) and (best is None or count < best[0]):
                best = count, some
    return None if best is None else best[1]


def _varies_at_a_place(frames: Sequence[Frame], places: np.ndarray, name: str) -> bool:
    seen: dict[int, Label] = {}
    return any(
        seen.setdefault(int(place), frame.labels.get(name, "")) != frame.labels.get(name, "")
        for frame, place in zip(frames, places, strict=True)
    )


def _volumes_by(frames: Sequence[Frame], places: np.ndarray, names: tuple[str, ...]) -> int | None:
    """How many volumes some attributes make; None where one would have two frames at one place."""
    keys = [tuple(frame.labels.get(name, "") for name in names) for frame in frames]
    if len(set(zip(keys, places.tolist(), strict=True))) < len(frames):
        return None
    return len(set(keys))


def _by_order(frames: Sequence[Frame], places: np.ndarray) -> list[SubVolume]:
    """The first frame of every place, then the second of every place, in the order of their numbers."""
    volumes: dict[int, list[Frame]] = defaultdict(list)
    seen: dict[int, int] = defaultdict(int)
    for frame, place in sorted(zip(frames, places.tolist(), strict=True), key=lambda one: one[0].number):
        volumes[seen[place]].append(frame)
        seen[place] += 1
    return [
        SubVolume(tuple(frames), f"number {number + 1} in the order of the slices", is_untold=True)
        for number, frames in sorted(volumes.items())
    ]


def _described(names: tuple[str, ...], labels: tuple[Label, ...]) -> str:
    return ", ".join(in_words(name, label) for name, label in zip(names, labels, strict=True))


def _grouped(items: Iterable[T], key: Callable[[T], K]) -> dict[K, list[T]]:
    groups: dict[K, list[T]] = defaultdict(list)
    for item in items:
        groups[key(item)].append(item)
    return groups
