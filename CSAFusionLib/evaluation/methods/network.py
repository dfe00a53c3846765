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

    def fuse_in_colour(
        self, uptake: np.ndarray, anatomy: np.ndarray, voxel: tuple[float, float, float], table: str
    ) -> np.ndarray:
        """Fuse two volumes as CSAFusion shows a PET or SPECT in colour; a :data:`ColourMethod`."""
        from CSAFusionLib.fusion.colouring import bind_colour
        from CSAFusionLib.fusion.slices import fuse_slices
        from CSAFusionLib.intensity.colour import apply_colour_table, rgb_to_yuv

        luminance = rgb_to_yuv(apply_colour_table(uptake, table))[..., 0].astype(np.float32)
        neighbours = neighbour_weights(voxel[0], FusionSettings().through_slice_smoothing)
        fused = fuse_slices(
            self.network,
            luminance,
            anatomy,
            self.device,
            strengths=self.strengths,
            neighbours=neighbours,
            with_contribution=True,
        )
        # Of a network without gains nobody can say what is the anatomy's: all of it stands in.
        of_anatomy = 1.0 if fused.contribution is None else 1 - fused.contribution
        reach = np.ones_like(anatomy)
        parts = fused.slices, fused.slices * of_anatomy, reach
        return bind_colour(uptake, table, *parts, pixel=voxel[1:], strengths=self.strengths)

    def _fuse(self, a: np.ndarray, b: np.ndarray, neighbours: np.ndarray) -> np.ndarray:
        from CSAFusionLib.fusion.slices import fuse_slices

        fused = fuse_slices(self.network, a, b, self.device, strengths=self.strengths, neighbours=neighbours)
        return fused.slices
