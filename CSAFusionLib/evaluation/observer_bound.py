"""How much the model observer could see of one fused image: a pointwise fusion that is optimised for it.

Weight maps that are optimised freely, slice by slice, are no bound to aim at: they know the slices, even out the
anatomy that hides lesions, and reach an AUC of 1.00 on CT-MRI, SPECT-MRI and PET-MRI. So the fused value is one
function of both source values here, for all slices of a kind: only then does the same tissue look the same everywhere.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING

import numpy as np

from CSAFusionLib.evaluation.clinical.lesions import LESION_KINDS, places_for_all_kinds, put_in
from CSAFusionLib.evaluation.clinical.observer import DISPLAY_NOISE, HALF_SIDE, INTERNAL_NOISE, channels
from CSAFusionLib.evaluation.methods import FusionMethod
from CSAFusionLib.progress import Progress, silent
from CSAFusionLib.training.pairs import ImagePair

if TYPE_CHECKING:
    from torch import Tensor

BOUND = "pointwise, optimised"
STEPS = 60
KNOTS = 12
"""Knots of the function along each source value; it is linear in between."""
_LEARNING_RATE = 0.1
_MOST_PLACES = 240
_EDGE = 0.02
"""The function starts from the average, kept this far from 0 and 1, where it could not be changed."""

Squares = dict[int, np.ndarray]
"""By a lesion's diameter, the squares that the observer sees: (conditions, places, 2, pixels), the first without."""


def optimised_table(
    pairs: Sequence[ImagePair], contrasts: Sequence[float], *, steps: int = STEPS, progress: Progress = silent
) -> np.ndarray:
    """Return the fused value for each two source values, (12, 12), that the observer sees the four kinds best by.

    What is raised is the mean AUC over kinds of lesions, sizes and contrasts, each with the template that is best for
    all places together; by Adam from the average of both sources.

    Args:
        pairs: of one kind of pair, those that the observer is trained on and those that it is tested on.
        contrasts: of the lesions.
        steps: of the optimiser.
        progress: told of each step.
    """
    import torch

    values = torch.linspace(0, 1, KNOTS)
    start = ((values[:, None] + values) / 2).clamp(_EDGE, 1 - _EDGE)
    squares = {diameter: torch.from_numpy(seen) for diameter, seen in _squares(pairs, contrasts).items()}
    if not squares:
        return start.numpy()
    parameters = torch.logit(start).requires_grad_()
    optimiser = torch.optim.Adam([parameters], lr=_LEARNING_RATE)
    for step in range(steps):
        progress("Optimising a pointwise fusion", step, steps)
        optimiser.zero_grad()
        areas = [_mean_area(_look_up(torch.sigmoid(parameters), seen), size) for size, seen in squares.items()]
        (-torch.stack(areas).mean()).backward()
        optimiser.step()
    progress("Optimising a pointwise fusion", steps, steps)
    return torch.sigmoid(parameters).detach().numpy()


def fused_by(table: np.ndarray) -> FusionMethod:
    """Return what fuses two slices by a table of fused values."""

    def fuse(a: np.ndarray, b: np.ndarray) -> np.ndarray:
        import torch

        sources = torch.from_numpy(np.stack([a, b]).astype(np.float32)).reshape(1, 1, 2, -1)
        return _look_up(torch.from_numpy(table.astype(np.float32)), sources).numpy().reshape(a.shape)

    return fuse


def _squares(pairs: Sequence[ImagePair], contrasts: Sequence[float]) -> Squares:
    """Return what the observer sees of the places of all pairs, or of every n-th where there are many."""
    found: dict[int, list[np.ndarray]] = {}
    for pair in pairs:
        places = places_for_all_kinds(pair.a, pair.b, max(contrasts), HALF_SIDE)
        images = [(pair.a, pair.b)]
        images += [put_in(places, kind, contrast, pair.a, pair.b) for kind in LESION_KINDS for contrast in contrasts]
        stacked = np.stack(images).astype(np.float32)
        for row, column, diameter in places:
            rows, columns = (slice(at - HALF_SIDE, at + HALF_SIDE + 1) for at in (row, column))
            found.setdefault(diameter, []).append(stacked[..., rows, columns].reshape(*stacked.shape[:2], -1))
    total = sum(map(len, found.values()))
    every = max(1, -(-total // _MOST_PLACES))
    return {diameter: np.stack(seen[::every], axis=1) for diameter, seen in found.items() if len(seen[::every]) > 1}


def _look_up(table: Tensor, sources: Tensor) -> Tensor:
    """Return the fused values (C, P, N) of both source values (C, P, 2, N)."""
    import torch

    # The last coordinate comes first: columns, which are the values of B.
    grid = 2 * sources.movedim(2, -1).flip(-1) - 1
    flat = grid.reshape(1, -1, 1, 2)
    fused = torch.nn.functional.grid_sample(table[None, None], flat, mode="bilinear", align_corners=True)
    return fused.reshape(grid.shape[:-1])


def _mean_area(fused: Tensor, diameter: int) -> Tensor:
    """Return the mean AUC over the conditions of fused squares (C, P, N), as if responses were normally distributed."""
    import torch

    responses = fused @ torch.from_numpy(channels(diameter).astype(np.float32)).mT
    without, *having = responses
    return torch.stack([_area(without, one) for one in having]).mean()


def _area(without: Tensor, having: Tensor) -> Tensor:
    import torch

    covariance = (torch.cov(without.mT) + torch.cov(having.mT)) / 2
    noise = INTERNAL_NOISE * covariance.diagonal() + DISPLAY_NOISE**2
    mean = (having - without).mean(dim=0)
    template = torch.linalg.solve(covariance + torch.diag(noise), mean)
    # Of a signal that is not there the root has no derivative.
    return torch.special.ndtr(torch.sqrt((mean @ template).clamp_min(1e-8) / 2))
