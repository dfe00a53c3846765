"""Initialises the pointwise part of a network, and trains it before the rest of the network joins in."""

from __future__ import annotations

from collections.abc import Callable, Iterable

import torch
from torch import Tensor, nn

from CSAFusionLib import checks
from CSAFusionLib.errors import InputError
from CSAFusionLib.losses.fusion_loss import LossWeights, training_loss_terms, weighted_sum
from CSAFusionLib.network.csafusion import CSAFusion, PointwiseGains, apply_gains

_FITTING_STEPS = 1000
_FITTING_RATE = 2e-2
_TRAINING_RATE = 2e-2
_TINY = 1e-9


def _average(a: Tensor, b: Tensor) -> Tensor:
    return (a + b) / 2


def _b_less_a(a: Tensor, b: Tensor) -> Tensor:
    """B, the darker the brighter A is: what is dark in A and bright in B stands out more than in either."""
    head = (torch.maximum(a, b) / 0.1).clamp(0, 1)
    return b - 0.3 * a + 0.3 * head


def _root_of_squares(a: Tensor, b: Tensor) -> Tensor:
    """B with what is bright in A: grey tissue of A is dimmed, so that blood and bone on a CT stand out from brain."""
    bright = ((a - 0.45) / 0.3).clamp(0, 1)
    toned = a * (0.55 + 0.45 * bright.square() * (3 - 2 * bright))
    return torch.sqrt(toned.square() + b.square() + 1e-9)


def _dimmed_maximum(a: Tensor, b: Tensor) -> Tensor:
    """The brighter of a dimmed A and of B, joined softly: white matter as on the T1, fluid and lesions as on the T2.

    B is lowered where grey and white matter lie, so that they keep the contrast of the T1; above that it rises steeply,
    so that lesions are brighter than white matter by enough to be seen.
    """
    lesion = torch.sigmoid((b - 0.48) / 0.04)
    toned = b - 0.09 * torch.exp(-(((b - 0.36) / 0.12) ** 2)) + 0.6 * (1 - b) * lesion
    return ((0.66 * a) ** 5 + toned.clamp(0, 1) ** 5 + 1e-12) ** 0.2


STARTS: dict[str, Callable[[Tensor, Tensor], Tensor]] = {
    "average": _average,
    "b-less-a": _b_less_a,
    "dimmed-maximum": _dimmed_maximum,
    "root-of-squares": _root_of_squares,
}
"""A loss over all four kinds of lesions has several minima, with lesions of one kind vanishing in between, so that no
small step leads from one to the other. The start decides whether what is bright in A ends bright or dark."""

POWER_SUM = "power-sum"
"""A start with numbers: ``power-sum=0.8:0.7:1.5`` adds 0.8 A and 0.7 B to the power of 1.5 and takes the root."""


def start_named(name: str) -> Callable[[Tensor, Tensor], Tensor]:
    """Return the start of that name; raise InputError if there is none, or if its numbers are wrong."""
    kind, _, numbers = name.partition("=")
    if kind == POWER_SUM:
        return _power_sum(numbers)
    if name not in STARTS:
        known = ", ".join([*STARTS, f"{POWER_SUM}=0.8:0.7:1.5"])
        raise InputError(f"There is no start {checks.shown(name)} for the pointwise part; choose one of {known}.")
    return STARTS[name]


def _power_sum(numbers: str) -> Callable[[Tensor, Tensor], Tensor]:
    """Both sources dimmed and added, by less the more both are bright: a brain bright in both is not burnt out."""
    try:
        of_a, of_b, power = (float(number) for number in numbers.split(":"))
    except ValueError:
        raise InputError(
            f"The start {POWER_SUM} takes the factors of A and B and a power, such as 0.8:0.7:1.5, "
            f"not {checks.shown(numbers)}."
        ) from None
    for factor in (of_a, of_b):
        checks.number(factor, f"factor of the start {POWER_SUM}", "a number from 0 to 2", low=0, high=2)
    checks.number(power, f"power of the start {POWER_SUM}", "a number from 1 to 10", low=1, high=10)
    return lambda a, b: ((of_a * a) ** power + (of_b * b) ** power + _TINY) ** (1 / power)


def fit_start(pointwise: PointwiseGains, name: str) -> None:
    """Fit the map to a start, over pairs of values drawn at random; its own weights are where it begins."""
    wanted = start_named(name)
    optimiser = torch.optim.Adam(pointwise.parameters(), lr=_FITTING_RATE)
    device, random = next(pointwise.parameters()).device, torch.Generator().manual_seed(0)
    for _ in range(_FITTING_STEPS):
        pairs = torch.rand(1, 2, 64, 64, generator=random).to(device)
        loss = (PointwiseOnly(pointwise)(pairs) - wanted(*pairs.split(1, dim=1)).clamp(0, 1)).square().mean()
        optimiser.zero_grad()
        loss.backward()
        optimiser.step()


def train_pointwise(
    network: CSAFusion, batches: Iterable[Tensor], steps: int, weights: LossWeights, retention_target: float
) -> None:
    """Train the pointwise part alone, with the loss of the whole training, on ``steps`` batches (B, 2, 2, H, W)."""
    alone = PointwiseOnly(network.pointwise)
    optimiser = torch.optim.Adam(alone.parameters(), lr=_TRAINING_RATE)
    schedule = torch.optim.lr_scheduler.OneCycleLR(optimiser, _TRAINING_RATE, total_steps=max(1, steps), pct_start=0.1)
    for batch in batches:
        plain, marked = batch.unbind(dim=1)
        loss = weighted_sum(training_loss_terms(alone, plain, marked, weights, retention_target), weights)
        optimiser.zero_grad()
        loss.backward()
        optimiser.step()
        schedule.step()


class PointwiseOnly(nn.Module):
    """A network of the pointwise part alone."""

    def __init__(self, pointwise: PointwiseGains) -> None:
        super().__init__()
        self.pointwise = pointwise

    def forward(self, x: Tensor, *, clip: bool = True) -> Tensor:
        """Fuse (B, 2, H, W) as :meth:`CSAFusion.forward` does when its own part is zero."""
        return apply_gains(2 * torch.sigmoid(self.pointwise(x)), x, clip=clip)
