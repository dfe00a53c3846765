"""Check that the frames of one volume make a straight and even stack, and give the grid that they make."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

from CSAFusionLib.volumes.dicom.elements import HeaderError
from CSAFusionLib.volumes.dicom.frames import Frame
from CSAFusionLib.volumes.dicom.splitting import places_along_normal


def shifted(plane: np.ndarray, aside: np.ndarray) -> np.ndarray:
    """Return a slice as a straight grid sees it, linearly interpolated; what lay outside repeats the border.

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


# Scanners round positions; more than this share of the slice distance off its even place is a real gap.
_UNEVEN = 0.1
# The share by which pixel spacings of one volume may differ.
_SPACINGS = 1e-3
# Slices that lean by less, in degrees, have drifted; by more, the gantry was tilted.
_TILTED = 1.0
# Slices that lie farther aside than so many mm are shifted to where the straight grid has them.
_ASIDE_MM = 0.1


@dataclass(frozen=True)
class Stack:
    """The frames of a volume in the order of their grid, whose geometry is in LPS mm.

    direction: columns are the unit directions of a row, of a column, and of the normal.
    aside: how far along a row and a column each slice lies from the grid's own place, (N, 2) voxels; 0 where that is
        rounding.
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
    """Return the grid that parallel frames of one volume make.

    Args:
        keep_tilt: give frames that were acquired with a tilted gantry a grid with a sheared third direction.

    Raises HeaderError for slices that are missing, unevenly far apart, tilted or beside each other, and for pixel
    spacings that are missing or differ.
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
            f"was acquired with a tilted gantry ({angle:.0f} degrees), so its slices make no straight volume; load it "
            f"in 3D Slicer, which straightens it, and save it as a file, or give it as the moving volume"
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
    """The distance of slices, from their places in ascending order; a single slice has that of its header."""
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
        raise HeaderError(f"has slices that lie up to {scatter:.3g} mm beside each other, so that they make no volume")
    return lean
