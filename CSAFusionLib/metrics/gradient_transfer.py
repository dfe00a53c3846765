"""QABF: how much of the sources' gradients the fused image keeps, in strength and direction."""

from __future__ import annotations

import torch
from torch import Tensor

from CSAFusionLib.metrics.gradients import sobel_gradient

_STRENGTH = (0.9994, 15.0, 0.5)
_DIRECTION = (0.9879, 22.0, 0.8)
"""Top, slope and middle of the published sigmoids."""
_ROUNDING = 1e-3


def qabf(fused: Tensor, a: Tensor, b: Tensor, *, smooth: bool = False) -> Tensor:
    """Return the preservation of both sources' gradients, (B,), with their strengths as weights; 0 to 1.

    Sobel gradients, edges replicated. Xydeas and Petrovic 2000, with their constants: a source pixel's strength is
    preserved by the ratio of the weaker to the stronger gradient, its direction by 1 - angle / (pi / 2).

    Args:
        fused: (B, 1, H, W) in [0, 1].
        a: (B, 1, H, W) in [0, 1].
        b: (B, 1, H, W) in [0, 1].
        smooth: give up the published definition where it has no derivative. Gradients far below a grey value are
            rounded off, and directions near the vertical, up and down, are alike and not far apart.
    """
    rounding = _ROUNDING if smooth else 0.0
    angle = _angle_between_lines if smooth else _published_angle
    of_fused = sobel_gradient(fused)
    kept = available = torch.zeros(fused.shape[0], dtype=fused.dtype, device=fused.device)
    for source in (a, b):
        of_source = sobel_gradient(source)
        alike = 1 - angle(of_source, of_fused) / (torch.pi / 2)
        preserved = _perceived(_ratio(of_source, of_fused, rounding), *_STRENGTH) * _perceived(alike, *_DIRECTION)
        strength = of_source.norm(dim=1)
        kept = kept + (preserved * strength).sum(dim=(1, 2))
        available = available + strength.sum(dim=(1, 2))
    return torch.where(available > 0, kept / available.clamp_min(_ROUNDING), 0)


def _ratio(source: Tensor, fused: Tensor, rounding: float) -> Tensor:
    """Return the weaker over the stronger gradient, (B, H, W), 0 where both are flat; both are (B, 2, H, W)."""
    of_source, of_fused = (torch.sqrt(x.square().sum(dim=1) + rounding**2) for x in (source, fused))
    stronger = torch.maximum(of_source, of_fused)
    return torch.minimum(of_source, of_fused) / torch.where(stronger > 0, stronger, 1)


def _published_angle(source: Tensor, fused: Tensor) -> Tensor:
    """Return the difference of the gradients' angles, each from -pi/2 to pi/2, (B, H, W)."""
    first, second = (
        torch.where(x[:, 1] == 0, torch.pi / 2, torch.atan(x[:, 0] / torch.where(x[:, 1] == 0, 1, x[:, 1])))
        for x in (source, fused)
    )
    return (first - second).abs()


def _angle_between_lines(source: Tensor, fused: Tensor) -> Tensor:
    """Return the angle between the lines along both gradients, 0 to pi/2, (B, H, W)."""
    along = (source * fused).sum(dim=1).abs()
    across = (source[:, 0] * fused[:, 1] - source[:, 1] * fused[:, 0]).abs()
    return torch.atan2(across, along + _ROUNDING**2)


def _perceived(preserved: Tensor, top: float, slope: float, middle: float) -> Tensor:
    return top * torch.sigmoid(slope * (preserved - middle))
