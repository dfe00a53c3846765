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
    """Return the fused slices and the share of them that comes from A, both (S, H, W) in [0, 1], in the gains' memory.

    The share is 0.5 where the fused slices are black. With both strengths 1 they are the network's own, bit for bit.

    Args:
        gains: (2, S, H, W) float32 of A and B; overwritten, slice by slice, as a volume of them is large.
        a, b: (S, H, W) in [0, 1].
        strengths: as :func:`strengths_of` gives.
    """
    fused, share = gains
    for index, (slice_a, slice_b) in enumerate(zip(a, b, strict=True)):
        of_a, of_b = (
            np.float32(strength) * (gain * source)
            for strength, gain, source in zip(strengths, gains[:, index], (slice_a, slice_b), strict=True)
        )
        total = of_a + of_b
        share[index] = np.divide(of_a, total, out=np.full_like(total, 0.5), where=total > 0)
        fused[index] = total.clip(0, 1)
    return fused, share
