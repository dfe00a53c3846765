"""How much each of the two sources counts: the user's say on top of the network's, and the share that comes out."""

from __future__ import annotations

import numpy as np

from CSAFusionLib.errors import InputError
from CSAFusionLib.network.configuration import NetworkConfiguration


def strengths_of(configuration: NetworkConfiguration, fixed_is_a: bool, balance: float) -> tuple[float, float]:
    """Return the factors of A and of B on top of the network's gains.

    Args:
        fixed_is_a: whether the fixed source goes in as A.
        balance: as in the settings.

    Raises:
        InputError: a balance is asked of a network that predicts pixels: nothing says what of them comes from where.
    """
    if balance != 0 and not configuration.gains:
        raise InputError(
            "These weights were trained without gains, so the strength of the sources cannot be changed; set the "
            "balance to 0 or choose other weights."
        )
    of_fixed, of_moving = 1 - balance, 1 + balance
    return (of_fixed, of_moving) if fixed_is_a else (of_moving, of_fixed)


def apply_gains(
    gains: np.ndarray, a: np.ndarray, b: np.ndarray, strengths: tuple[float, float]
) -> tuple[np.ndarray, np.ndarray]:
    """Return a fused slice and its parts from A and from B before they were added and clipped, (H, W) and (2, H, W).

    With both strengths 1 it is the network's own, bit for bit.

    Args:
        gains: (2, H, W) float32 of A and B.
        a, b: (H, W) in [0, 1].
        strengths: as :func:`strengths_of` gives.
    """
    parts = gains * np.stack([a, b])
    parts *= np.array(strengths, np.float32)[:, None, None]
    return (parts[0] + parts[1]).clip(0, 1), parts


def share_of_a(parts: np.ndarray) -> np.ndarray:
    """Return which share (H, W) in [0, 1] of the fused values is A's; 0.5 where they are black.

    Args:
        parts: (2, H, W), as :func:`apply_gains` gives.
    """
    total = parts[0] + parts[1]
    return np.divide(parts[0], total, out=np.full_like(total, 0.5), where=total > 0)
