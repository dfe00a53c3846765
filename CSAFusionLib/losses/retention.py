"""The retention loss: what only one source shows must still be seen in the fused image."""

from __future__ import annotations

from torch import Tensor


def retention_loss(change: Tensor, lesions: Tensor) -> Tensor:
    """Return the share of lesions' contrast that fusion loses, in the lesions themselves.

    Not of the article. The other terms ask for the stronger texture, so the network learns to leave out a flat source
    beside a textured one, and a lesion that only the flat one shows goes with it
    (:mod:`CSAFusionLib.evaluation.clinical.lesions` measures that on finished images).

    Args:
        change: the fused images of the sources with lesions less those of the sources without, (B, 1, H, W).
        lesions: what was added to one of the sources, (B, 1, H, W) in [-1, 1], 0 outside the lesions.

    Returns:
        The mean over the images that have lesions, a scalar: 0 when they are shown as in their source, 1 when they are
        gone, more when inverted or overdone; 0 if no image has any.
    """
    inside = (lesions != 0).to(change.dtype)
    lost = ((change - lesions).abs() * inside).sum(dim=(1, 2, 3))
    put_in = lesions.abs().sum(dim=(1, 2, 3))
    marked = (put_in > 0).to(change.dtype)
    return (marked * lost / put_in.clamp_min(1e-6)).sum() / marked.sum().clamp_min(1)
