"""A smooth field of shifts through many matches, some of them wrong, and how well each place of it is known."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from typing import NamedTuple

import numpy as np

# Over such a distance a shift stays alike (standard deviation of a Gaussian covariance): a lobe moves as one.
_LENGTH_MM = 24.0

# Along each axis a place of which nothing is known may be off by as much (standard deviation).
PRIOR_MM = 2.0

# Matches side by side see the same edge and err alike: over this distance they share an error that is this multiple of
# what each errs on its own.
_SHARED_MM = 10.0
_SHARED = 1.25

# A right match errs by no less and no more (standard deviation along an axis).
_ERROR_MM = (0.2, 1.0)

# A wrong one lies somewhere around, since the search ends not far away.
_ASTRAY_MM = 3.5

# A match agrees with those around it when it lies closer than this to where they put it.
_AGREES_MM = 2.0

_ROUNDS = 10

# Shares of matches are means over this distance, among so many more of which nothing is known.
_AROUND_MM = 15.0
_DOUBTED = 1.0

_BATCH = 4000


class Estimate(NamedTuple):
    """Of M places: the shift (M, 3) mm; its standard deviation along any axis (M,) mm; how many matches agree (M,).

    The last is the share of the matches around a place that lie where the others put them, 0 to 1.
    """

    shift: np.ndarray
    deviation: np.ndarray
    agreeing: np.ndarray


@dataclass(frozen=True)
class ShiftField:
    """What matches say of the shifts between and around them: a Gaussian process (Rasmussen and Williams, 2006).

    points: (N, 3) mm. weights: (N, 3), by which covariances with the points make a shift. precision: (N, N), the
    inverse of the covariance of the matches. agreeing: (N,), 1 for a match that lies where the others put it, else 0.
    """

    points: np.ndarray
    weights: np.ndarray
    precision: np.ndarray
    agreeing: np.ndarray

    @classmethod
    def through(cls, points: np.ndarray, shifts: np.ndarray) -> ShiftField:
        """Fit to shifts (N, 3) at points (N, 3), mm; N may be 0.

        Each match is right, and errs little, or is wrong and lies anywhere around: which of the two is found by
        expectation maximisation, where a match is judged by all others but itself.
        """
        squares = _squares(points, points)
        signal, near = _signal(squares), _near(squares)
        wrong = _density(np.sum(shifts**2, axis=1), np.full(len(points), _ASTRAY_MM**2))
        trust, error = np.full(len(points), 0.5), _ERROR_MM[1]
        for _ in range(_ROUNDS):
            own, misfits = _left_out(_precision(signal, squares, trust, error), shifts)
            # As of a match that is right: what the others leave open at its place, and its own error.
            variances = own - _noise(trust, error) + error**2
            right, share = _density(misfits, variances), _share(near, trust, 0.5)
            trust = share * right / (share * right + (1 - share) * wrong)
            spread = np.sum(trust * (misfits / 3 - variances + error**2)) / max(trust.sum(), 1.0)
            error = float(np.sqrt(np.clip(spread, *np.square(_ERROR_MM))))
        precision = _precision(signal, squares, trust, error)
        _, misfits = _left_out(precision, shifts)
        return cls(points, precision @ shifts, precision, (misfits < _AGREES_MM**2).astype(float))

    def at(self, places: np.ndarray) -> Estimate:
        """What is known at places, (M, 3) in mm."""
        parts = [*self._in_parts(places)]
        return Estimate(*(np.concatenate(part) for part in zip(*parts, strict=True)))

    def _in_parts(self, places: np.ndarray) -> Iterator[Estimate]:
        for first in range(0, max(len(places), 1), _BATCH):
            squares = _squares(places[first : first + _BATCH], self.points)
            signal = _signal(squares)
            open_left = PRIOR_MM**2 - np.einsum("mn,mn->m", signal @ self.precision, signal)
            agreeing = _share(_near(squares), self.agreeing, 0.0)
            yield Estimate(signal @ self.weights, np.sqrt(open_left.clip(min=0)), agreeing)


def _left_out(precision: np.ndarray, shifts: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """Of each match, (N,) each: the variance of what all others say of it, and the squared distance from that.

    Both stand in the inverse of the covariance (Rasmussen and Williams, 2006, equations 5.10 to 5.12).
    """
    own = 1 / np.diag(precision)
    return own, np.sum((own[:, None] * (precision @ shifts)) ** 2, axis=1)


def _precision(signal: np.ndarray, squares: np.ndarray, trust: np.ndarray, error: float) -> np.ndarray:
    shared = (_SHARED * error) ** 2 * np.exp(-squares / (2 * _SHARED_MM**2))
    return np.linalg.inv(signal + shared + np.diag(_noise(trust, error)))


def _noise(trust: np.ndarray, error: float) -> np.ndarray:
    """The variance of each match: what is half trusted counts half."""
    return error**2 / trust.clip(min=1e-4)


def _signal(squares: np.ndarray) -> np.ndarray:
    return PRIOR_MM**2 * np.exp(-squares / (2 * _LENGTH_MM**2))


def _near(squares: np.ndarray) -> np.ndarray:
    return np.exp(-squares / (2 * _AROUND_MM**2))


def _density(squares: np.ndarray, variances: np.ndarray) -> np.ndarray:
    """Of a normal distribution in 3-D at squared distances from its middle."""
    return (2 * np.pi * variances) ** -1.5 * np.exp(-squares / (2 * variances))


def _share(near: np.ndarray, values: np.ndarray, unknown: float) -> np.ndarray:
    return (near @ values + _DOUBTED * unknown) / (near.sum(axis=1) + _DOUBTED)


def _squares(a: np.ndarray, b: np.ndarray) -> np.ndarray:
    """Squared distances, (len(a), len(b)) mm^2."""
    return (np.sum(a**2, axis=1)[:, None] + np.sum(b**2, axis=1) - 2 * a @ b.T).clip(min=0)
