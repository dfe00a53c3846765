"""A stack of slices fused: the network's weight maps, smoothed and weighted, are applied to both sources."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, field

import numpy as np

from CSAFusionLib.fusion.device import Device
from CSAFusionLib.fusion.inference import NetworkRun, Slices
from CSAFusionLib.fusion.weight_maps import apply_weight_maps, contribution_of_a, smoothed_through_slices
from CSAFusionLib.network.csafusion import CSAFusion
from CSAFusionLib.progress import Progress, silent

ALONE = np.ones(1)
"""The weights of neighbours for slices that are no volume."""


@dataclass(frozen=True)
class FusedSlices:
    """The fused slices (S, H, W) float32 in [0, 1], the device that finished them, and what the user should know.

    ``contribution`` (S, H, W) in [0, 1] is what of them comes from A; None where it was not asked for, and for a
    network that predicts pixels.
    """

    slices: np.ndarray
    device: Device
    warnings: list[str] = field(default_factory=list)
    contribution: np.ndarray | None = None


def fuse_slices(
    network: CSAFusion,
    a: Slices,
    b: Slices,
    device: Device,
    *,
    strengths: tuple[float, float] = (1.0, 1.0),
    neighbours: np.ndarray = ALONE,
    batch_size: int | None = None,
    with_contribution: bool = False,
    progress: Progress = silent,
) -> FusedSlices:
    """Fuse each slice of ``a`` with the same slice of ``b``; slices that are zero in both stay exactly zero.

    Args:
        network: in evaluation mode.
        a, b: (S, H, W) in [0, 1].
        strengths: factors on top of the network's weight maps, of a and of b, as
            :func:`CSAFusionLib.fusion.weight_maps.strengths_of` gives.
        neighbours: weights of neighbouring slices in a slice's maps, as
            :func:`CSAFusionLib.fusion.weight_maps.neighbour_weights` gives; a network that predicts pixels has none.
        batch_size: as :class:`CSAFusionLib.fusion.inference.NetworkRun` takes it.
        with_contribution: whether to give the contribution of A too.

    Raises:
        InputError: not even one slice fits in the memory of the CPU.
        Cancelled: from ``progress``, between batches.
    """
    gains_from = _pointwise(network)
    run = NetworkRun(network, a, b, device, batch_size, progress)
    has_gains = network.configuration.gains
    fused = np.zeros(a.shape, dtype=np.float32)
    contribution = np.full(a.shape, 0.5, dtype=np.float32) if with_contribution and has_gains else None
    with run:
        outputs = run.outputs()
        for index, output in smoothed_through_slices(outputs, run.filled, neighbours if has_gains else ALONE):
            if not has_gains:
                fused[index] = output[0]
                continue
            pair = np.stack([a[index], b[index]])
            fused[index], parts = apply_weight_maps(gains_from(output, pair), pair[0], pair[1], strengths)
            if contribution is not None:
                contribution[index] = contribution_of_a(parts)
    return FusedSlices(fused, run.device, run.warnings, contribution)


def _pointwise(network: CSAFusion) -> Callable[[np.ndarray, np.ndarray], np.ndarray]:
    """What makes a slice's gains of what it shares with its neighbours and of its own two sources, all (2, H, W).

    What a pixel's two values decide is not shared: it is then exactly the same in every slice.
    """
    if not network.configuration.pointwise:
        return lambda local, pair: local

    import torch

    from CSAFusionLib.network.inference.convolution import PointwiseMap

    pointwise = PointwiseMap(network)
    return lambda local, pair: pointwise.gains(torch.from_numpy(local), torch.from_numpy(pair)).numpy()
