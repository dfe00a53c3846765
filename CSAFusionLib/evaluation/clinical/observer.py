"""A model observer: the channelised Hotelling observer, the judge of task-based image quality in medical physics.

It looks at a place where a lesion may be and says how sure it is that there is one. What counts is the area under its
ROC curve (AUC): 0.5 is guessing, 1 is never wrong. Barrett and Myers, Foundations of Image Science, 2004; channels:
Gallas and Barrett, JOSA A 20, 2003.
"""

from __future__ import annotations

from dataclasses import dataclass
from functools import lru_cache

import numpy as np
from scipy import special, stats

HALF_SIDE = 20
"""The observer sees a square of 41 pixels around the place."""
_CHANNELS = 6
_WIDER_THAN_SIGNAL = 6
INTERNAL_NOISE = 0.5
"""Variance of the observer's own noise in a channel, over the variance that the backgrounds cause there."""
DISPLAY_NOISE = 0.02
"""Standard deviation of a pixel that is not seen: five grey values of 256."""


@lru_cache(maxsize=16)
def channels(diameter: int) -> np.ndarray:
    """Return Laguerre-Gauss channels for a round signal, orthonormal, (6, 41 x 41).

    Args:
        diameter: of the signal, in pixels; the channels' width is 6 pixels more.
    """
    rows, columns = np.mgrid[-HALF_SIDE : HALF_SIDE + 1, -HALF_SIDE : HALF_SIDE + 1]
    x = 2 * np.pi * (rows**2 + columns**2).ravel() / (diameter + _WIDER_THAN_SIGNAL) ** 2
    profiles = [np.exp(-x / 2) * special.eval_laguerre(order, x) for order in range(_CHANNELS)]
    return np.linalg.qr(np.transpose(profiles))[0].T


def look_at(image: np.ndarray, row: int, column: int, diameter: int) -> np.ndarray:
    """Return the channels' responses to a place of an image (H, W), (6,)."""
    square = image[row - HALF_SIDE : row + HALF_SIDE + 1, column - HALF_SIDE : column + HALF_SIDE + 1]
    return channels(diameter) @ square.ravel()


@dataclass(frozen=True)
class Observer:
    """A trained observer: the template it correlates responses with, and the deviation of its own noise in each."""

    template: np.ndarray
    noise: np.ndarray

    def ratings(self, responses: np.ndarray, random: np.random.Generator) -> np.ndarray:
        """Return how sure the observer is that there is a signal, (N,), for responses (N, C)."""
        return (responses + self.noise * random.standard_normal(responses.shape)) @ self.template


def train_observer(
    absent: np.ndarray,
    present: np.ndarray,
    internal_noise: float = INTERNAL_NOISE,
    display_noise: float = DISPLAY_NOISE,
) -> Observer:
    """Train the observer on responses without and with the signal, each (N, C).

    Args:
        internal_noise: its variance over that of the responses.
        display_noise: standard deviation of what is not seen of a pixel; the channels are orthonormal, so that of a
            response too.
    """
    covariance = (np.cov(absent, rowvar=False) + np.cov(present, rowvar=False)) / 2
    noise = internal_noise * np.diag(covariance) + display_noise**2
    template = np.linalg.solve(covariance + np.diag(noise), present.mean(axis=0) - absent.mean(axis=0))
    return Observer(template, np.sqrt(noise))


def area_under_roc(absent: np.ndarray, present: np.ndarray) -> float:
    """Return the share of pairs of ratings in which the one with the signal is higher; ties count half."""
    ranks = stats.rankdata(np.concatenate([absent, present]))
    of_present = ranks[len(absent) :].sum() - len(present) * (len(present) + 1) / 2
    return float(of_present / (len(absent) * len(present)))
