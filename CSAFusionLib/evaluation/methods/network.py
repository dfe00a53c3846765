"""Fusion by a trained network."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np

from CSAFusionLib.fusion.device import Device
from CSAFusionLib.fusion.settings import FusionSettings
from CSAFusionLib.fusion.weight_maps import neighbour_weights

if TYPE_CHECKING:
    from CSAFusionLib.network.csafusion import CSAFusion


class NetworkMethod:
    """Fuses with a network as CSAFusion does: single slices, or volumes, whose slices share their gains.

    Args:
        network: in evaluation mode.
        device: as PyTorch names it.
        balance: strength of the two sources, from -1 (A alone) over 0 (as the network balances them) to 1 (B alone).

    Raises:
        InputError: a balance is asked of a network that predicts pixels.
    """

    def __init__(self, network: CSAFusion, device: str = "cpu", balance: float = 0.0) -> None:
        from CSAFusionLib.fusion.weight_maps import strengths_of

        self.network = network
        self.device = Device(device, "asked for")
        self.strengths = strengths_of(network.configuration, fixed_is_a=True, balance=balance)

    def __call__(self, a: np.ndarray, b: np.ndarray) -> np.ndarray:
        """Fuse two slices (H, W) in [0, 1]."""
        return self._fuse(a[None], b[None], np.ones(1))[0]

    def fuse_volume(self, a: np.ndarray, b: np.ndarray, spacing: float) -> np.ndarray:
        """Fuse the slices (S, H, W) in [0, 1] of two volumes, ``spacing`` mm apart."""
        return self._fuse(a, b, neighbour_weights(spacing, FusionSettings().through_slice_smoothing))

    def _fuse(self, a: np.ndarray, b: np.ndarray, neighbours: np.ndarray) -> np.ndarray:
        from CSAFusionLib.fusion.slices import fuse_slices

        fused = fuse_slices(self.network, a, b, self.device, strengths=self.strengths, neighbours=neighbours)
        return fused.slices
