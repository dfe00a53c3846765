"""How much the model observer could see: weight maps optimised for it, slice by slice, with no network between.

The fused image is A and B times a weight map each. The maps know the slices and what is looked for, but not where a
lesion is or of which kind: they are the same with and without one. A network that sees a slice once cannot do better,
except by the local optimum that the search ends in.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np

from CSAFusionLib.evaluation.clinical.lesion_kinds import LESION_KINDS, Place, places_for_all_kinds, put_in
from CSAFusionLib.evaluation.clinical.observer import DISPLAY_NOISE, HALF_SIDE, INTERNAL_NOISE, channels
from CSAFusionLib.evaluation.methods import FusionMethod
from CSAFusionLib.progress import Progress, silent
from CSAFusionLib.training.pairs import ImagePair

if TYPE_CHECKING:
    from torch import Tensor

BOUND = "weight maps optimised"
STEPS = 100
_LEARNING_RATE = 0.1
_KNOT = 8
"""Pixels from knot to knot of a weight map, which is linear in between."""
_MOST = 1.5
"""The largest weight."""


def optimised_maps(
    pairs: Sequence[ImagePair], contrasts: Sequence[float], *, steps: int = STEPS, progress: Progress = silent
) -> list[np.ndarray]:
    """Return the weight maps of A and B, (2, H, W) for each pair, that the observer sees the four kinds best by.

    What is raised is the mean AUC over kinds of lesions, sizes and contrasts, each with the template that is best for
    all places together; by Adam from the average of both sources.

    Args:
        pairs: of one kind of pair, those that the observer is trained on and those that it is tested on.
        contrasts: of the lesions.
        steps: of the optimiser.
        progress: told of each step.
    """
    import torch

    scenes = [_scene(pair, min(contrasts)) for pair in pairs]
    knots = [torch.zeros(1, 2, *(2 + size // _KNOT for size in scene.sources.shape[1:])) for scene in scenes]
    # The sigmoid of this is the weight 0.5.
    parameters = [(knot - np.log(_MOST / 0.5 - 1)).requires_grad_() for knot in knots]
    if not any(scene.places for scene in scenes):
        return [_half(scene) for scene in scenes]
    optimiser = torch.optim.Adam(parameters, lr=_LEARNING_RATE)
    # A slice without room for a lesion keeps the average's weights.
    searched = [(scene, knot) for scene, knot in zip(scenes, parameters, strict=True) if scene.places]
    diameters = np.concatenate([[diameter for *_, diameter in scene.places] for scene, _ in searched])
    for step in range(steps):
        progress("Optimising weight maps", step, steps)
        optimiser.zero_grad()
        seen = torch.cat([scene.responses(_maps(knot, scene)) for scene, knot in searched], dim=1)
        (-_mean_area(seen, diameters, contrasts)).backward()
        optimiser.step()
    progress("Optimising weight maps", steps, steps)
    with torch.no_grad():
        return [_maps(knot, scene).numpy() for knot, scene in zip(parameters, scenes, strict=True)]


def weighted_by(maps: np.ndarray) -> FusionMethod:
    """Return what fuses two slices by weight maps (2, H, W)."""
    return lambda a, b: np.clip(maps[0] * a + maps[1] * b, 0, 1).astype(np.float32)


@dataclass(frozen=True)
class _Scene:
    """A pair and its places: both sources (2, H, W), and what each kind of lesion adds to them at contrast 1."""

    sources: Tensor
    lesions: Tensor
    """(kinds, 2, H, W)."""
    places: list[Place]

    def responses(self, maps: Tensor) -> Tensor:
        """Return the channels' responses to the background and to each kind of lesion, (1 + kinds, places, 6)."""
        import torch

        images = torch.cat([(maps * self.sources).sum(dim=0)[None], (maps * self.lesions).sum(dim=1)])
        return torch.stack([_look(images, place) for place in self.places], dim=1)


def _scene(pair: ImagePair, contrast: float) -> _Scene:
    import torch

    places = places_for_all_kinds(pair.a, pair.b, contrast, HALF_SIDE)
    plain = np.stack([pair.a, pair.b])
    changes = [(np.stack(put_in(places, kind, contrast, pair.a, pair.b)) - plain) / contrast for kind in LESION_KINDS]
    return _Scene(torch.from_numpy(plain), torch.from_numpy(np.stack(changes).astype(np.float32)), places)


def _half(scene: _Scene) -> np.ndarray:
    return np.full(tuple(scene.sources.shape), 0.5, np.float32)


def _maps(knots: Tensor, scene: _Scene) -> Tensor:
    import torch

    size = scene.sources.shape[1:]
    wide = torch.nn.functional.interpolate(knots, size=tuple(size), mode="bilinear", align_corners=True)
    return _MOST * torch.sigmoid(wide[0])


def _look(images: Tensor, place: Place) -> Tensor:
    import torch

    row, column, diameter = place
    rows, columns = (slice(at - HALF_SIDE, at + HALF_SIDE + 1) for at in (row, column))
    return images[:, rows, columns].flatten(1) @ torch.from_numpy(channels(diameter).astype(np.float32)).mT


def _mean_area(responses: Tensor, diameters: np.ndarray, contrasts: Sequence[float]) -> Tensor:
    """Return the mean AUC over kinds of lesions, sizes and contrasts, as if responses were normally distributed.

    Args:
        responses: of all places, as :meth:`_Scene.responses` gives them.
        diameters: of each place's lesions.
    """
    import torch

    areas = []
    for diameter in np.unique(diameters):
        background, *lesions = responses[:, torch.from_numpy(diameters == diameter)]
        for lesion in lesions:
            areas += [_area(background, contrast * lesion) for contrast in contrasts]
    return torch.stack(areas).mean()


def _area(background: Tensor, change: Tensor) -> Tensor:
    import torch

    covariance = (torch.cov(background.mT) + torch.cov((background + change).mT)) / 2
    noise = INTERNAL_NOISE * covariance.diagonal() + DISPLAY_NOISE**2
    mean = change.mean(dim=0)
    template = torch.linalg.solve(covariance + torch.diag(noise), mean)
    # Of a signal that is not there the root has no derivative.
    return torch.special.ndtr(torch.sqrt((mean @ template).clamp_min(1e-8) / 2))
