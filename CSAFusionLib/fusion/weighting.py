"""How much each of the two sources counts: the user's say on top of the network's, and the share that comes out."""

from __future__ import annotations

import torch
from torch import Tensor, nn

from CSAFusionLib.errors import InputError
from CSAFusionLib.network.csafusion import CSAFusion


def weighted(network: CSAFusion, fixed_is_a: bool, balance: float) -> nn.Module:
    """The network with the user's balance; one that predicts pixels stays as it is while no balance is asked for.

    Args:
        fixed_is_a: whether the fixed source goes in as A.
        balance: as in the settings.

    Raises:
        InputError: a balance is asked of a network that predicts pixels.
    """
    if balance == 0 and not network.configuration.gains:
        return network
    of_fixed, of_moving = 1 - balance, 1 + balance
    return WeightedNetwork(network, *((of_fixed, of_moving) if fixed_is_a else (of_moving, of_fixed)))


class WeightedNetwork(nn.Module):
    """A network that gives the share of source A beside the fused image, with the sources weighted by the user.

    Args:
        network: one that predicts gains.
        strength_of_a, strength_of_b: factors on top of its gains; with both 1 the fused image is the network's own,
          bit for bit.

    Raises:
        InputError: the network predicts pixels, so nothing says what of them comes from which source.
    """

    def __init__(self, network: CSAFusion, strength_of_a: float, strength_of_b: float) -> None:
        super().__init__()
        if not network.configuration.gains:
            raise InputError(
                "These weights were trained without gains, so the strength of the sources cannot be changed; set the "
                "balance to 0 or choose other weights."
            )
        self.network = network
        self.strengths = (strength_of_a, strength_of_b)

    def forward(self, x: Tensor) -> Tensor:
        """Fuse two aligned images.

        Args:
            x: as the network takes it.

        Returns:
            (B, 2, H, W) in [0, 1]: the fused image, and the share of it that comes from A (0.5 where it is black).
        """
        parts = self.network.gains(x) * x
        if self.strengths != (1.0, 1.0):
            parts = parts * parts.new_tensor(self.strengths).view(1, 2, 1, 1)
        total = parts.sum(dim=1, keepdim=True)
        share = torch.where(total > 0, parts[:, :1] / total, 0.5)
        return torch.cat([total.clamp(0, 1), share], dim=1)
