"""The RMI loss: how little the fused image's neighbourhoods tell about the source's."""

from __future__ import annotations

import torch
from torch import Tensor
from torch.nn import functional

NEIGHBOURHOOD = 3
"""Side of the region around a pixel, in pixels."""
REGULARISATION = 5e-4
"""Multiple of the identity that keeps the covariances of flat images invertible."""


def rmi_loss(fused: Tensor, source: Tensor) -> Tensor:
    """Return half the log-determinant of the posterior covariance of the source given the fused image, per dimension.

    Every pixel with its 3x3 neighbourhood is one 9-vector; minimising the bound maximises their mutual information.
    Zhao et al., NeurIPS 2019, equations 10 to 15, divided as there by the nine dimensions.

    Args:
        fused: (B, 1, H, W) in [0, 1].
        source: (B, 1, H, W) in [0, 1].

    Returns:
        The mean over the batch, a scalar; lower is better, and its lowest value is 0.5 * log(REGULARISATION).
    """
    given, wanted = _regions(fused), _regions(source)
    dimensions, positions = given.shape[1:]
    identity = REGULARISATION * torch.eye(dimensions, dtype=given.dtype, device=given.device)
    covariance_given = given @ given.mT / positions + identity
    covariance_wanted = wanted @ wanted.mT / positions
    across = wanted @ given.mT / positions
    explained = across @ torch.linalg.solve(covariance_given, across.mT)
    posterior = covariance_wanted - explained + identity
    return (0.5 / dimensions) * torch.logdet(posterior).mean()


def _regions(image: Tensor) -> Tensor:
    """Return the centred 9-vectors of ``image`` (B, 1, H, W) as (B, 9, positions), in double precision.

    The covariances of neighbouring pixels are nearly singular; single precision would make their determinant negative.
    """
    regions = functional.unfold(image.double(), NEIGHBOURHOOD)
    return regions - regions.mean(dim=2, keepdim=True)
