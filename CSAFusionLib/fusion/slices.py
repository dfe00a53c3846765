"""A stack of slices fused: the network's gains, steadied from slice to slice, weighted by the user, and applied."""

from __future__ import annotations

from dataclasses import dataclass, field

import numpy as np

from CSAFusionLib.fusion.device import Device
from CSAFusionLib.fusion.inference import run_network
from CSAFusionLib.fusion.steadiness import steady
from CSAFusionLib.fusion.weighting import apply_gains
from CSAFusionLib.network.csafusion import CSAFusion
from CSAFusionLib.progress import Progress, silent

ALONE = np.ones(1)
"""The weights of neighbours for slices that are no volume."""


@dataclass(frozen=True)
class FusedSlices:
    """The fused slices (S, H, W) float32 in [0, 1], the device that finished them, and what the user should know.

    ``share`` (S, H, W) in [0, 1] is what of them comes from A; None for a network that predicts pixels.
    """

    slices: np.ndarray
    device: Device
    warnings: list[str] = field(default_factory=list)
    share: np.ndarray | None = None


def fuse_slices(
    network: CSAFusion,
    a: np.ndarray,
    b: np.ndarray,
    device: Device,
    *,
    strengths: tuple[float, float] = (1.0, 1.0),
    neighbours: np.ndarray = ALONE,
    batch_size: int | None = None,
    progress: Progress = silent,
) -> FusedSlices:
    """Fuse each slice of ``a`` with the same slice of ``b``; slices that are zero in both stay exactly zero.

    Args:
        network: in evaluation mode.
        a, b: (S, H, W) in [0, 1].
        strengths: factors on top of the network's gains, of a and of b, as
            :func:`CSAFusionLib.fusion.weighting.strengths_of` gives.
        neighbours: weights of neighbouring slices in a slice's gains, as
            :func:`CSAFusionLib.fusion.steadiness.neighbour_weights` gives; a network that predicts pixels has none.
        batch_size: slices at a time; None chooses by the device and the size of a slice.

    Raises:
        InputError: not even one slice fits in the memory of the CPU.
        Cancelled: from ``progress``, between batches.
    """
    output = run_network(network, a, b, device, batch_size, progress)
    if not network.configuration.gains:
        return FusedSlices(output.values[0], output.device, output.warnings)
    steady(output.values, output.filled, neighbours)
    fused, share = apply_gains(output.values, a, b, strengths)
    return FusedSlices(fused, output.device, output.warnings, share)
