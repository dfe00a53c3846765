"""The artefact loss: how much of the fused structure neither source explains."""

from __future__ import annotations

import torch
from torch import Tensor

from CSAFusionLib.metrics.gaussian import gaussian_means

_WINDOW, _SIGMA = 11, 2.0
_RIDGE = 1e-5
_EPSILON = 1e-6


def artefact_loss(fused: Tensor, a: Tensor, b: Tensor) -> Tensor:
    """Return the spread of what a regression of the fused image on both sources leaves, window by window.

    Not in the article: RMI, visual information and edge correlation are highest for a patchwork of the sources. A
    mixture that changes slowly leaves nothing here, whatever it is; a turn from one source to the other inside the
    window does (:mod:`CSAFusionLib.evaluation.clinical.artefacts` measures the same on finished images).

    Args:
        fused: (B, 1, H, W) in [0, 1], at least 11x11.
        a: (B, 1, H, W) in [0, 1].
        b: (B, 1, H, W) in [0, 1].

    Returns:
        The mean standard deviation of the residual, a scalar, at least 0, in brightness.
    """
    images = torch.stack([fused, a, b])
    mean_f, mean_a, mean_b = gaussian_means(images, _WINDOW, _SIGMA)
    products = torch.stack([fused * fused, a * a, b * b, a * b, fused * a, fused * b])
    ff, aa, bb, ab, fa, fb = gaussian_means(products, _WINDOW, _SIGMA)
    ff, fa, fb = ff - mean_f.square(), fa - mean_f * mean_a, fb - mean_f * mean_b
    aa, bb, ab = aa - mean_a.square() + _RIDGE, bb - mean_b.square() + _RIDGE, ab - mean_a * mean_b
    explained = (fa.square() * bb + fb.square() * aa - 2 * fa * fb * ab) / (aa * bb - ab.square())
    return (torch.sqrt((ff - explained).clamp_min(0) + _EPSILON) - _EPSILON**0.5).mean()
