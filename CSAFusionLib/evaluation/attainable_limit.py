"""The attainable limit: the best values that any fused image of two given sources can reach.

It does not use a fusion method: it optimises the pixels of the fused image for the metrics themselves. A table of
methods can then say how far each method is from this limit.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np

if TYPE_CHECKING:
    from torch import Tensor

OBJECTIVES: dict[str, tuple[float, float, float]] = {
    "SSIM sum": (1.0, 0.0, 0.0),
    "EPI sum": (0.0, 1.0, 0.0),
    "VIF": (0.0, 0.0, 1.0),
    "balanced": (1.0, 0.5, 1.0),
}
"""The objectives to optimise: the weights of SSIM sum, EPI sum and VIF."""

STEPS = 300
_LEARNING_RATE = 0.02


def attainable(a: np.ndarray, b: np.ndarray, objective: str, *, steps: int = STEPS) -> np.ndarray:
    """Return the fused image, (H, W) float32 in [0, 1], whose pixels were optimised for ``objective``.

    Adam with a cosine schedule, from the mean of both sources; a local optimum, so the limit is at least this high. On
    one core a 256x256 pair takes from 10 s (SSIM) to 40 s (VIF).

    Args:
        a: the first source, (H, W) float32 in [0, 1], at least 41x41.
        b: the second source, (H, W) float32 in [0, 1].
        objective: a key of :data:`OBJECTIVES`.
        steps: of the optimiser.
    """
    import torch

    first, second = (torch.from_numpy(np.ascontiguousarray(source))[None, None] for source in (a, b))
    fused = ((first + second) / 2).requires_grad_()
    optimiser = torch.optim.Adam([fused], lr=_LEARNING_RATE)
    scheduler = torch.optim.lr_scheduler.CosineAnnealingLR(optimiser, steps)
    for _ in range(steps):
        optimiser.zero_grad()
        _loss(fused, first, second, OBJECTIVES[objective]).backward()
        optimiser.step()
        scheduler.step()
        with torch.no_grad():
            fused.clamp_(0, 1)
    return fused.detach()[0, 0].numpy()


def _loss(fused: Tensor, a: Tensor, b: Tensor, weights: tuple[float, float, float]) -> Tensor:
    from CSAFusionLib.losses.terms import edge_loss, ssim_loss, vif_loss

    terms = ((ssim_loss, 1.0), (edge_loss, 1.0), (vif_loss, 0.5))  # SSIM and EPI are sums of both sources, VIF the mean
    return sum(  # type: ignore[return-value]
        weight * share * (term(fused, a) + term(fused, b))
        for weight, (term, share) in zip(weights, terms, strict=True)
        if weight > 0
    )
