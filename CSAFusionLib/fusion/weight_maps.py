"""Weight maps: how much of each source the fused value takes, smoothed through the slices and weighted by the user.

Through-slice smoothing is no filter of scipy.ndimage: the maps of a whole volume would take 8 more bytes a voxel,
slices that are not fused must not count, and the sums would differ in their last bits.
"""

from __future__ import annotations

from collections import deque
from collections.abc import Iterable, Iterator
from dataclasses import dataclass, field
from typing import TYPE_CHECKING

import numpy as np

from CSAFusionLib.errors import InputError
from CSAFusionLib.fusion.settings import FusionSettings
from CSAFusionLib.fusion.source_pair import SourcePair
from CSAFusionLib.network.configuration import NetworkConfiguration
from CSAFusionLib.weights.weights_file import choose_weights, load_network

if TYPE_CHECKING:
    from CSAFusionLib.network.csafusion import CSAFusion
    from CSAFusionLib.weights.weights_file import WeightsInfo

_REACH = 3
"""Standard deviations after which a neighbour no longer counts."""
_ROUNDING = 1e-4
_MOST_REACH = 32
"""Slices on each side that count at most: those within reach of 2 mm where slices are 0.19 mm apart, or farther."""


@dataclass(frozen=True)
class WeightMaps:
    """The making of a pair's weight maps: the network, the weights of neighbouring slices, and the user's balance.

    neighbours: weights of neighbouring slices in a slice's maps, as :func:`neighbour_weights` gives.
    strengths: factors on top of the network's maps, of A and of B, as :func:`strengths_of` gives.
    """

    network: CSAFusion
    weights: WeightsInfo
    neighbours: np.ndarray
    fixed_is_a: bool
    balance: float
    strengths: tuple[float, float] = field(init=False)

    def __post_init__(self) -> None:
        strengths = strengths_of(self.network.configuration, self.fixed_is_a, self.balance)
        object.__setattr__(self, "strengths", strengths)

    @classmethod
    def load_for(cls, sources: SourcePair, settings: FusionSettings) -> WeightMaps:
        """Load the requested weights, or those for the modalities.

        Raises:
            InputError: the weights cannot be used, or not with the requested balance.
        """
        neighbours = neighbour_weights(sources.spacing[0], settings.through_slice_smoothing)
        network, weights = load_network(settings.weights or choose_weights(*sources.in_order(*sources.modalities)))
        return cls(network, weights, neighbours, sources.fixed_is_a, settings.balance)


def neighbour_weights(spacing: float, sigma: float) -> np.ndarray:
    """Return the weights of a slice and of its neighbours on both sides, the slice in the middle; they sum to one.

    Args:
        spacing: from slice to slice, in mm.
        sigma: standard deviation of a Gaussian, in mm; with 0, or slices far apart, only the slice itself counts. Of
          slices very close to each other no more than 32 on each side count.
    """
    # Rounding in a header must not decide whether the farthest neighbours count.
    reach = int(min(_REACH * sigma / spacing * (1 + _ROUNDING), _MOST_REACH))
    if reach == 0:
        return np.ones(1)
    weights = np.exp(-((spacing * np.arange(-reach, reach + 1)) ** 2) / (2 * sigma**2))
    return weights / weights.sum()


def smoothed_through_slices(
    maps: Iterable[tuple[int, np.ndarray]], filled: np.ndarray, weights: np.ndarray
) -> Iterator[tuple[int, np.ndarray]]:
    """Replace each slice's weight maps by the weighted mean of those around it.

    The sources keep their own detail in every slice: only how much of each is taken becomes smooth. What jumps from
    slice to slice in the fused volume is then what jumps in the sources. No more maps are held than count for one
    slice.

    Args:
        maps: index and weight maps of each filled slice, in order.
        filled: (S,), False for slices that the network was not asked about; they count for none.
        weights: as :func:`neighbour_weights` gives.
    """
    reach = len(weights) // 2
    near: dict[int, np.ndarray] = {}
    waiting: deque[int] = deque()
    last = int(np.flatnonzero(filled)[-1]) if filled.any() else -1
    for index, own in maps:
        near[index] = own
        waiting.append(index)
        while waiting and (index >= waiting[0] + reach or index == last):
            middle = waiting.popleft()
            yield middle, _mean_around(middle, near, filled, weights)
            for passed in [other for other in near if other <= middle - reach]:
                del near[passed]


def _mean_around(index: int, near: dict[int, np.ndarray], filled: np.ndarray, weights: np.ndarray) -> np.ndarray:
    reach = len(weights) // 2
    if reach == 0:
        return near[index]
    others = [other for other in range(index - reach, index + reach + 1) if 0 <= other < len(filled) and filled[other]]
    total = sum(weights[other - index + reach] for other in others)
    mean = np.zeros_like(near[index])
    for other in others:
        mean += np.float32(weights[other - index + reach] / total) * near[other]
    return mean


def strengths_of(configuration: NetworkConfiguration, fixed_is_a: bool, balance: float) -> tuple[float, float]:
    """Return the factors of A and of B on top of the network's weight maps.

    Args:
        fixed_is_a: whether the fixed source goes in as A.
        balance: as in the settings.

    Raises:
        InputError: a balance is requested of a network that predicts pixels: nothing says from which source they come.
    """
    if balance != 0 and not configuration.gains:
        raise InputError(
            "These weights were trained without gains, so the strength of the sources cannot be changed; set the "
            "balance to 0 or choose other weights."
        )
    of_fixed, of_moving = 1 - balance, 1 + balance
    return (of_fixed, of_moving) if fixed_is_a else (of_moving, of_fixed)


def apply_weight_maps(
    maps: np.ndarray, a: np.ndarray, b: np.ndarray, strengths: tuple[float, float]
) -> tuple[np.ndarray, np.ndarray]:
    """Return a fused slice and its parts from A and from B before they were added and clipped, (H, W) and (2, H, W).

    With both strengths 1 it is the network's own, bit for bit.

    Args:
        maps: (2, H, W) float32 of A and B.
        a, b: (H, W) in [0, 1].
        strengths: as :func:`strengths_of` gives.
    """
    parts = maps * np.stack([a, b])
    parts *= np.array(strengths, np.float32)[:, None, None]
    return (parts[0] + parts[1]).clip(0, 1), parts


def contribution_of_a(parts: np.ndarray) -> np.ndarray:
    """Return which share (H, W) in [0, 1] of the fused values is A's; 0.5 where they are black.

    Args:
        parts: (2, H, W), as :func:`apply_weight_maps` gives.
    """
    total = parts[0] + parts[1]
    return np.divide(parts[0], total, out=np.full_like(total, 0.5), where=total > 0)
