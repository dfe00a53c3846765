"""When the volumes of a series were measured: from the sidecar beside a file, its header, or the headers of DICOM."""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np

from CSAFusionLib.volumes.acquisition import sidecar_of
from CSAFusionLib.volumes.dicom.frames import Frame
from CSAFusionLib.volumes.stored_volume import StoredVolume

_DAY = 24 * 60 * 60.0
# Steps that differ by no more than this share are one step that was rounded.
_EVEN = 1e-3


@dataclass(frozen=True)
class SeriesTimes:
    """Times in seconds, one for each volume.

    starts: when each began. durations: how long each lasted; empty where nothing says it.
    """

    starts: tuple[float, ...]
    durations: tuple[float, ...] = ()

    @property
    def weights(self) -> np.ndarray:
        """How much each volume counts in a mean, (N,): its duration where that is known, else 1."""
        return np.array(self.durations) if self.durations else np.ones(len(self.starts))

    @property
    def step(self) -> float | None:
        """The time from one volume to the next; None where it is not always the same."""
        steps = np.diff(self.starts)
        if len(steps) == 0 or steps.min() <= 0 or np.ptp(steps) > _EVEN * steps.mean():
            return None
        return float(steps.mean())

    def describe(self) -> dict[str, list[float]]:
        """The times by the names of BIDS."""
        told = {"FrameTimesStart": [*self.starts]}
        return told | ({"FrameDuration": [*self.durations]} if self.durations else {})


def times_of_sidecar(path: Path, count: int) -> SeriesTimes | None:
    """Return what the JSON file beside a volume says in the words of BIDS and dcm2niix; None where that is nothing."""
    values = sidecar_of(path)
    starts = _numbers(values.get("FrameTimesStart", values.get("VolumeTiming")), count)
    durations = _numbers(values.get("FrameDuration", values.get("AcquisitionDuration")), count)
    if starts is None and durations is not None and "FrameDuration" in values:
        starts = tuple(float(start) for start in np.cumsum((0.0, *durations[:-1])))
    if starts is None:
        return None
    return SeriesTimes(starts, durations if durations and min(durations) > 0 else ())


def times_of_header(stored: StoredVolume) -> SeriesTimes | None:
    """Return what the header of a file says, which is one step for all; None where it says none."""
    if not stored.seconds_apart > 0:
        return None
    return SeriesTimes(tuple(stored.first_second + stored.seconds_apart * number for number in range(stored.series)))


def times_of_frames(firsts: Sequence[Frame]) -> SeriesTimes | None:
    """Return what the first frames of DICOM volumes say; None where nothing tells their times apart."""
    durations = tuple(frame.seconds for frame in firsts)
    known = durations if all(durations) else ()
    for keyword, seconds in (
        ("TemporalPositionTimeOffset", float),
        ("TriggerTime", _milliseconds),
        ("NominalCardiacTriggerDelayTime", _milliseconds),
        ("AcquisitionDateTime", _clock),
        ("FrameAcquisitionDateTime", _clock),
        ("AcquisitionTime", _clock),
        ("ContentTime", _clock),
        ("FrameReferenceTime", _milliseconds),
    ):
        labels = [frame.labels.get(keyword, "") for frame in firsts]
        if "" in labels or len({*labels}) < len(labels):
            continue
        times = np.array([seconds(label) for label in labels])
        if np.isfinite(times).all():
            return SeriesTimes(_from_the_first(times, is_clock=seconds is _clock), known)
    return None


def _numbers(values: Any, count: int) -> tuple[float, ...] | None:
    """A list of so many finite numbers; None for anything else."""
    if not isinstance(values, list) or len(values) != count:
        return None
    if not all(isinstance(one, int | float) and math.isfinite(one) for one in values):
        return None
    return tuple(float(one) for one in values)


def _from_the_first(times: np.ndarray, *, is_clock: bool) -> tuple[float, ...]:
    """Times of a clock count from the earliest, which may be before midnight; others are as they are."""
    if not is_clock:
        return tuple(times.tolist())
    times = np.where(times - times.min() > _DAY / 2, times - _DAY, times)
    return tuple((times - times.min()).tolist())


def _milliseconds(label: float | str) -> float:
    return label / 1000 if isinstance(label, float) else math.nan


def _clock(label: float | str) -> float:
    """Seconds since midnight of DICOM's HHMMSS.FFFFFF, behind a date or alone; NaN for anything else."""
    text = f"{label:013.6f}" if isinstance(label, float) else label
    time = text.split("+")[0].split("-")[0]
    time = time[8:] if len(time.split(".")[0]) == 14 else time
    try:
        return 3600 * int(time[:2]) + 60 * int(time[2:4]) + float(time[4:])
    except ValueError:
        return math.nan
