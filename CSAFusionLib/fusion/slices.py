"""A stack of slices fused: the network's gains, steadied from slice to slice, weighted by the user, and applied."""

from __future__ import annotations

from dataclasses import dataclass, field

import numpy as np

from CSAFusionLib.fusion.device import Device
from CSAFusionLib.fusion.inference import NetworkRun
from CSAFusionLib.fusion.sources import Slices
from CSAFusionLib.fusion.steadiness import steadied
from CSAFusionLib.fusion.weighting import apply_gains, share_of_a
from CSAFusionLib.network.csafusion import CSAFusion
from CSAFusionLib.progress import Progress, silent

ALONE = np.ones(1)
"""The weights of neighbours for slices that are no volume."""


@dataclass(frozen=True)
class FusedSlices:
    """The fused slices (S, H, W) float32 in [0, 1], the device that finished them, and what the user should know.

    ``share`` (S, H, W) in [0, 1] is what of them comes from A; None where it was not asked for, and for a network that
    predicts pixels.
    """

    slices: np.ndarray
    device: Device
    warnings: list[str] = field(default_factory=list)
    share: np.ndarray | None = None


def fuse_slices(
    network: CSAFusion,
    a: Slices,
    b: Slices,
    device: Device,
    *,
    strengths: tuple[float, float] = (1.0, 1.0),
    neighbours: np.ndarray = ALONE,
    batch_size: int | None = None,
    with_share: bool = False,
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
        batch_size: as :class:`CSAFusionLib.fusion.inference.NetworkRun` takes it.
        with_share: whether to give the share of A too.

    Raises:
        InputError: not even one slice fits in the memory of the CPU.
        Cancelled: from ``progress``, between batches.
    """
    run = NetworkRun(network, a, b, device, batch_size, progress)
    has_gains = network.configuration.gains
    fused = np.zeros(a.shape, dtype=np.float32)
    share = np.full(a.shape, 0.5, dtype=np.float32) if with_share and has_gains else None
    with run:
        for index, output in steadied(run.outputs(), run.filled, neighbours if has_gains else ALONE):
            if not has_gains:
                fused[index] = output[0]
                continue
            fused[index], parts = apply_gains(output, a[index], b[index], strengths)
            if share is not None:
                share[index] = share_of_a(parts)
    return FusedSlices(fused, run.device, run.warnings, share)
