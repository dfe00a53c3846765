"""From frames to volumes: separate the volumes of a series, and check that each is a straight and even stack."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Callable, Hashable, Iterable, Sequence
from dataclasses import dataclass, replace
from itertools import combinations
from typing import TypeVar

import numpy as np

from CSAFusionLib.volumes.dicom.frames import Frame, Label, in_words
from CSAFusionLib.volumes.dicom.headers import HeaderError

K = TypeVar("K", bound=Hashable)
T = TypeVar("T")

# Two orientations are the same when no direction cosine differs by more.
PARALLEL = 1e-3
# Slices nearer than this share of the usual distance, or than this many mm, are at the same place.
_ONE_PLACE = 0.01
_ONE_PLACE_MM = 1e-3
# At most this many attributes together distinguish volumes, out of this many candidates.
_MOST_TOGETHER = 3
_MOST_ATTRIBUTES = 16


@dataclass(frozen=True)
class SubVolume:
    """The frames of one volume, and what distinguishes it from the others ('' where it is alone).

    is_untold: whether no attribute but only the order of the frames distinguishes it from the others.
    """

    frames: tuple[Frame, ...]
    description: str = ""
    is_untold: bool = False


def split_into_volumes(frames: Sequence[Frame]) -> list[SubVolume]:
    """Split frames into volumes: by size, orientation and stack, then by what distinguishes frames at one place.

    Raises HeaderError for frames without a position, and for single frames of another size or orientation.
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
    """The fewest attributes that split frames into the fewest volumes with one frame at each place, or None."""
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


def shifted(plane: np.ndarray, aside: np.ndarray) -> np.ndarray:
    """Resample a slice linearly on a straight grid; pixels outside it repeat the border.

    Args:
        plane: (H, W) or (H, W, C), of any number type; the result is float64 where it is shifted.
        aside: how far its first voxel lies from the grid's place, along a row and along a column, (2,) voxels.
    """
    along_row, along_column = aside
    return _moved(_moved(plane, along_column, 0), along_row, 1)


def _moved(plane: np.ndarray, distance: float, axis: int) -> np.ndarray:
    if distance == 0:
        return plane
    last = plane.shape[axis] - 1
    wanted = np.clip(np.arange(last + 1) - distance, 0, last)
    before = np.floor(wanted).astype(int)
    share = (wanted - before).reshape((-1,) + (1,) * (plane.ndim - 1 - axis))
    return np.take(plane, before, axis) * (1 - share) + np.take(plane, np.minimum(before + 1, last), axis) * share


# Scanners round positions; a deviation of more than this share of the slice distance is a real gap.
_UNEVEN = 0.1
# The share by which pixel spacings of one volume may differ.
_SPACINGS = 1e-3
# Slices that lean by less than this, in degrees, have drifted; by more, the gantry was tilted.
_TILTED = 1.0
# Slices that lie farther aside than this many mm are shifted onto the straight grid.
_ASIDE_MM = 0.1


@dataclass(frozen=True)
class Stack:
    """The frames of a volume in the order of their grid, whose geometry is in LPS mm.

    direction: columns are the unit directions of a row, of a column, and of the normal.
    aside: how far along a row and a column each slice lies from its place on the grid, (N, 2) voxels; 0 for rounding
        errors.
    """

    frames: tuple[Frame, ...]
    origin: np.ndarray
    spacing: tuple[float, float, float]
    direction: np.ndarray
    aside: np.ndarray

    @property
    def drift(self) -> float:
        """How far slices are shifted to make the stack straight, at most, mm."""
        return float(np.linalg.norm(self.aside * self.spacing[:2], axis=1).max())


def stack_frames(frames: Sequence[Frame], *, keep_tilt: bool = False) -> Stack:
    """Return the grid of the parallel frames of one volume.

    Args:
        keep_tilt: give frames that were acquired with a tilted gantry a grid with a sheared third direction.

    Raises HeaderError for slices that are missing, unevenly spaced, tilted or beside each other, and for pixel spacings
    that are missing or differ.
    """
    between_rows, between_columns = _pixel_spacing(frames)
    along = places_along_normal(frames)
    order = np.argsort(along, kind="stable")
    ordered = tuple(frames[index] for index in order)
    distance = _slice_distance(ordered, along[order])
    direction = _direction(ordered)
    positions = np.array([frame.position for frame in ordered])
    way = (positions - positions[0]) @ direction
    in_plane = (between_columns, between_rows)
    lean = _lean(way, min(in_plane))
    angle = float(np.degrees(np.arctan(np.linalg.norm(lean))))
    if angle < _TILTED:
        aside = way[:, :2] / in_plane if np.linalg.norm(way[:, :2], axis=1).max() > _ASIDE_MM else 0 * way[:, :2]
        return Stack(ordered, positions[0], (*in_plane, distance), direction, aside)
    if not keep_tilt:
        raise HeaderError(
            f"was acquired with a tilted gantry ({angle:.0f} degrees), so its slices do not form a straight volume; "
            f"load it in 3D Slicer, which straightens it, and save it as a file, or give it as the moving volume"
        )
    step = direction @ (*lean, 1.0)
    length = float(np.linalg.norm(step))
    sheared = np.column_stack([direction[:, :2], step / length])
    return Stack(ordered, positions[0], (*in_plane, distance * length), sheared, 0 * way[:, :2])


def _pixel_spacing(frames: Sequence[Frame]) -> tuple[float, float]:
    spacings = [frame.spacing for frame in frames if frame.spacing is not None]
    if len(spacings) < len(frames):
        raise HeaderError("does not give the pixel spacing of every slice; export the original")
    least, largest = np.min(spacings, axis=0), np.max(spacings, axis=0)
    if (largest > least * (1 + _SPACINGS)).any():
        raise HeaderError(
            f"has slices of different pixel spacings ({least.min():g} to {largest.max():g} mm); give slices of one scan"
        )
    return spacings[0]


def _slice_distance(frames: Sequence[Frame], places: np.ndarray) -> float:
    """The distance between slices, from their places in ascending order; for a single slice, that of its header."""
    if len(frames) == 1:
        thickness = frames[0].thickness
        if thickness is None:
            raise HeaderError("is one slice whose thickness is not given; give a volume of several slices")
        return abs(thickness)
    gaps = np.diff(places)
    usual = float(np.median(gaps))
    even = np.linspace(places[0], places[-1], len(places))
    if np.abs(places - even).max() > _UNEVEN * usual:
        _refuse_uneven(gaps, usual)
    return float(places[-1] - places[0]) / (len(places) - 1)


def _refuse_uneven(gaps: np.ndarray, usual: float) -> None:
    steps = gaps / usual
    if np.abs(steps - steps.round()).max() <= _UNEVEN and steps.min() > 0.5:
        missing = int((steps.round() - 1).sum())
        raise HeaderError(f"lacks {missing} of its slices; export the whole series again")
    raise HeaderError(
        f"has slices {gaps.min():.3g} to {gaps.max():.3g} mm apart; resample it to one slice distance first"
    )


def _direction(frames: Sequence[Frame]) -> np.ndarray:
    """The nearest three directions at right angles to those of the slices."""
    row, column = np.mean([frame.orientation for frame in frames if frame.orientation is not None], axis=0)
    left, _, right = np.linalg.svd(np.column_stack([row, column, np.cross(row, column)]))
    return left @ right


def _lean(way: np.ndarray, pixel: float) -> np.ndarray:
    """How far slices move along a row and a column for each mm along the normal, (2,).

    way: from the first slice to each, along a row, a column and the normal, (N, 3) mm.
    Raises HeaderError for slices that do not lie on a line, by more than a pixel.
    """
    if len(way) == 1:
        return np.zeros(2)
    lean = way[-1, :2] / way[-1, 2]
    scatter = float(np.linalg.norm(way[:, :2] - np.outer(way[:, 2], lean), axis=1).max())
    if scatter > pixel:
        raise HeaderError(
            f"has slices that lie up to {scatter:.3g} mm beside each other, so that they do not form a volume"
        )
    return lean
