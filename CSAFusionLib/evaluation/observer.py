"""A model observer that rates lesions in every method's images, in the sources, and in the best possible fused image.

It is the channelised Hotelling observer, the standard for task-based image quality in medical physics. It looks at a
place that may hold a lesion and rates how sure it is that one is there. Its result is the area under the ROC curve
(AUC): 0.5 is guessing, 1 is never wrong. Barrett and Myers, Foundations of Image Science, 2004; channels: Gallas and
Barrett, JOSA A 20, 2003.

The bound is a pointwise fusion that is optimised for the observer. Weight maps that are optimised freely, slice by
slice, are no bound to aim at: they know the slices, even out the anatomy that hides lesions, and reach an AUC of 1.00
on CT-MRI, SPECT-MRI and PET-MRI. So the fused value is one function of both source values here, for all slices of a
kind: only then does the same tissue look the same everywhere. That function still goes up and down from one grey value
to the next, as no reader could follow. A second one, rising, never gets darker where either source gets brighter.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from functools import lru_cache, partial
from typing import TYPE_CHECKING

import numpy as np
import pandas as pd
from scipy import special, stats

from CSAFusionLib.evaluation.clinical.lesions import LESION_KINDS, Place, places_for_all_kinds, put_in
from CSAFusionLib.evaluation.fusion_methods import OVERLAY, FusionMethod
from CSAFusionLib.evaluation.statistics import drawn, interval, middle_of
from CSAFusionLib.progress import Progress, silent
from CSAFusionLib.training.pairs import ImagePair

if TYPE_CHECKING:
    from torch import Tensor


HALF_SIDE = 20
"""The observer sees a square of 41 pixels around the place."""
_CHANNELS = 6
_WIDER_THAN_SIGNAL = 6
INTERNAL_NOISE = 0.5
"""Variance of the observer's own noise in a channel, over the variance that the backgrounds cause there."""
DISPLAY_NOISE = 0.02
"""Standard deviation of a pixel that is not seen: five grey values of 256."""


@lru_cache(maxsize=16)
def channels(diameter: int) -> np.ndarray:
    """Return Laguerre-Gauss channels for a round signal, orthonormal, (6, 41 x 41).

    Args:
        diameter: of the signal, in pixels; the channels' width is 6 pixels more.
    """
    rows, columns = np.mgrid[-HALF_SIDE : HALF_SIDE + 1, -HALF_SIDE : HALF_SIDE + 1]
    x = 2 * np.pi * (rows**2 + columns**2).ravel() / (diameter + _WIDER_THAN_SIGNAL) ** 2
    profiles = [np.exp(-x / 2) * special.eval_laguerre(order, x) for order in range(_CHANNELS)]
    return np.linalg.qr(np.transpose(profiles))[0].T


def look_at(image: np.ndarray, row: int, column: int, diameter: int) -> np.ndarray:
    """Return the channels' responses to a place of an image (H, W), (6,); of K components (H, W, K), (6 K,)."""
    square = image[row - HALF_SIDE : row + HALF_SIDE + 1, column - HALF_SIDE : column + HALF_SIDE + 1]
    by_pixel = square.reshape(-1, 1 if image.ndim == 2 else image.shape[2])
    return (channels(diameter) @ by_pixel).T.ravel()


@dataclass(frozen=True)
class Observer:
    """A trained observer: the template it correlates responses with, and the deviation of its own noise in each."""

    template: np.ndarray
    noise: np.ndarray

    def ratings(self, responses: np.ndarray, drawn: np.ndarray) -> np.ndarray:
        """Return how sure the observer is that there is a signal, (N,), for responses (N, C) and draws of its noise.

        Args:
            responses: (N, C).
            drawn: (N, C), standard normal.
        """
        return (responses + self.noise * drawn) @ self.template


def draws_of_noise(reading: int, places: int, responses: int) -> np.ndarray:
    """Return draws of the observer's noise for places without and with a signal, (2, N, C), standard normal.

    Each component of an image has its own draws, so what further components show nothing of is rated as without them.
    """
    components = range(responses // _CHANNELS)
    return np.concatenate(
        [np.random.default_rng((reading, index)).standard_normal((2, places, _CHANNELS)) for index in components],
        axis=-1,
    )


def train_observer(
    absent: np.ndarray,
    present: np.ndarray,
    internal_noise: float = INTERNAL_NOISE,
    display_noise: float = DISPLAY_NOISE,
) -> Observer:
    """Train the observer on responses without and with the signal, each (N, C).

    Args:
        internal_noise: its variance over that of the responses.
        display_noise: standard deviation of what is not seen of a pixel; the channels are orthonormal, so that of a
            response too.
    """
    covariance = (np.cov(absent, rowvar=False) + np.cov(present, rowvar=False)) / 2
    noise = internal_noise * np.diag(covariance) + display_noise**2
    template = np.linalg.solve(covariance + np.diag(noise), present.mean(axis=0) - absent.mean(axis=0))
    return Observer(template, np.sqrt(noise))


def area_under_roc(absent: np.ndarray, present: np.ndarray) -> float:
    """Return the share of pairs of ratings in which the one with the signal is higher; ties count half."""
    ranks = stats.rankdata(np.concatenate([absent, present]))
    of_present = ranks[len(absent) :].sum() - len(present) * (len(present) + 1) / 2
    return float(of_present / (len(absent) * len(present)))


CONTRASTS = (0.08, 0.16)
SOURCES = ("A", "B", "A and B side by side")
COLOURED = "A in colour"
BOUND = "pointwise, optimised"
LEARNT = "pointwise, optimised on other slices"
RISING = "pointwise and rising, optimised"
_LEAST_TRAINED_ON = 30
_CONDITION = ["kind", "lesion", "diameter", "contrast"]

Methods = Mapping[str, Callable[[ImagePair], FusionMethod]]
"""By name, what fuses any two slices as it would those of a pair, to grey (H, W) or to K components (H, W, K)."""


def observe(
    methods: Methods,
    training: Sequence[ImagePair],
    pairs: Sequence[ImagePair],
    progress: Progress = silent,
    *,
    readings: int = 1,
    stage: str = "Observing",
) -> pd.DataFrame:
    """Let the observer rate every place of every pair, with and without a lesion of each of the four kinds.

    One observer is trained for each kind of pair, method, kind of lesion, size and contrast; of the sources it sees A,
    B, or both side by side.

    Args:
        methods: what is seen beside the sources.
        training: pairs that the observers are trained on; other patients, or other slices, than ``pairs``.
        pairs: what they are tested on.
        progress: told of each pair.
        readings: how often each place is rated, every time with other draws of the observer's own noise.
        stage: the word for it.

    Returns:
        A row for each method, condition (kind of pair, kind of lesion, diameter, contrast), reading and place: the
        patient and the name of the pair, and the ratings ``absent`` and ``present``. Conditions with fewer than 30
        places to train on are left out.
    """
    responses = pd.DataFrame(_responses(methods, (*training, *pairs), len(training), partial(progress, stage)))
    if responses.empty:
        return responses
    rated = []
    for key, places in responses.groupby(["method", *_CONDITION], sort=False):
        trained_on, tested = places[places["trains"]], places[~places["trains"]]
        if len(trained_on) < _LEAST_TRAINED_ON or tested.empty:
            continue
        observer = train_observer(np.stack(trained_on["absent"]), np.stack(trained_on["present"]))
        about = dict(zip(["method", *_CONDITION], key, strict=True))
        absent, present = (np.stack(tested[what]) for what in ("absent", "present"))
        for reading in range(readings):
            drawn = draws_of_noise(reading, *absent.shape)
            ratings = {"absent": observer.ratings(absent, drawn[0]), "present": observer.ratings(present, drawn[1])}
            rated.append(tested[["patient", "pair"]].assign(**about, **ratings))
    return pd.concat(rated, ignore_index=True) if rated else pd.DataFrame()


def summarise_observer(ratings: pd.DataFrame) -> pd.DataFrame:
    """Return a row for each kind of pair and method: the AUC of each kind of lesion, and its interval.

    The AUC of a kind of lesion is the mean over sizes and contrasts. The intervals (95 %) are by bootstrap over
    patients, or over slices where there are too few patients (:mod:`CSAFusionLib.evaluation.statistics`).
    """
    rows = []
    for (kind, method), of_method in ratings.groupby(["kind", "method"], sort=False):
        row: dict[str, object] = {"kind": kind, "method": method}
        for lesion in LESION_KINDS:
            of_lesion = of_method[of_method["lesion"] == lesion]
            area = _mean_area_of(of_lesion)
            low, high = interval(of_lesion, area)
            row |= {lesion: area(np.arange(len(of_lesion))), f"{lesion}, 95 %": f"{low:.2f} to {high:.2f}"}
        rows.append(row)
    return pd.DataFrame(rows)


BETTER_SOURCE = "better source"
_LEAST_WAY = 0.02
"""A bound no further above the average than this gives no way that a method could be some part of."""


def compare_areas(ratings: pd.DataFrame, ours: str) -> pd.DataFrame:
    """Return a row for each kind of pair and kind of lesion: a method's AUC less that of others, and of the way.

    The way leads from the average to the bound, or to the rising one: 0 % is the average, 100 % the bound; nan where
    that is hardly above the average, or either was not rated. The better source is A, A in colour where that was rated,
    or B, whichever has the largest AUC of all places. The intervals (95 %) draw the same patients, or slices, for both
    sides of a difference.

    Args:
        ratings: from :func:`observe`.
        ours: the method.
    """
    rows = []
    for kind, of_kind in ratings.groupby("kind", sort=False):
        for lesion, of_lesion in of_kind.groupby("lesion", sort=False):
            of_method = dict(iter(of_lesion.groupby("method", sort=False)))
            rows.append({"kind": kind, "lesion": lesion, **_compared(of_method, ours)})
    return pd.DataFrame(rows)


def _compared(of_method: Mapping[str, pd.DataFrame], ours: str) -> dict[str, object]:
    alone = [name for name in (*SOURCES[:2], COLOURED) if name in of_method]
    others = [name for name in ("average", "maximum", OVERLAY) if name in of_method]
    names = [*alone, *others, *(name for name in (BOUND, RISING) if name in of_method), ours]
    areas = [_mean_area_of(of_method[name]) for name in names]

    def all_areas(places: np.ndarray) -> list[float]:
        return [area(places) for area in areas]

    own = of_method[ours]
    # The first row has all places, the others are draws; a column for each method.
    table = np.vstack([all_areas(np.arange(len(own))), drawn(own, all_areas)])
    area_of = dict(zip(names, table.T, strict=True))
    area_of[BETTER_SOURCE] = max((area_of[source] for source in alone), key=lambda column: column[0])
    row: dict[str, object] = {"AUC": area_of[ours][0]}
    for other in (BETTER_SOURCE, *others):
        row |= _with_interval(f"less {other}", area_of[ours] - area_of[other], decimals=3)
    for name, bound in (("of the way, %", BOUND), ("of the rising way, %", RISING)):
        if {bound, "average"} <= area_of.keys():
            way = area_of[bound] - area_of["average"]
            share = 100 * (area_of[ours] - area_of["average"]) / np.where(way > 0, way, np.nan)
            row |= _with_interval(name, share if way[0] >= _LEAST_WAY else share * np.nan, decimals=0)
    return row


def _with_interval(name: str, values: np.ndarray, *, decimals: int) -> dict[str, object]:
    """Return the first value and the interval of the others, which are draws."""
    if np.isnan(values[0]):
        return {name: float("nan"), f"{name}, 95 %": ""}
    low, high = middle_of(values[1:])
    return {name: round(values[0], decimals), f"{name}, 95 %": f"{low:.{decimals}f} to {high:.{decimals}f}"}


def _mean_area_of(ratings: pd.DataFrame) -> Callable[[np.ndarray], float]:
    """Return what gives, for places of rows (N,), the mean AUC over sizes and contrasts; nan for none."""
    absent, present = (ratings[what].to_numpy() for what in ("absent", "present"))
    condition = ratings.groupby(["diameter", "contrast"]).ngroup().to_numpy()

    def mean_area(places: np.ndarray) -> float:
        of_condition = (places[condition[places] == index] for index in np.unique(condition[places]))
        areas = [area_under_roc(absent[some], present[some]) for some in of_condition]
        return float(np.mean(areas)) if areas else float("nan")

    return mean_area


def _responses(
    methods: Methods, pairs: Sequence[ImagePair], training: int, progress: Callable[[int, int], None]
) -> Iterator[dict[str, object]]:
    for index, pair in enumerate(pairs):
        progress(index, len(pairs))
        about = {"kind": pair.kind.value, "patient": pair.patient, "pair": pair.name, "trains": index < training}
        fusing = {name: method_for(pair) for name, method_for in methods.items()}
        plain = {name: fuse(pair.a, pair.b) for name, fuse in fusing.items()}
        for contrast in CONTRASTS:
            # A faint lesion has room in more places than a strong one.
            places = places_for_all_kinds(pair.a, pair.b, contrast, HALF_SIDE)
            for lesion in LESION_KINDS if places else ():
                condition = {**about, "lesion": lesion, "contrast": contrast}
                a, b = put_in(places, lesion, contrast, pair.a, pair.b)
                seen = {name: _both(images, places) for name, images in (("A", (pair.a, a)), ("B", (pair.b, b)))}
                seen[SOURCES[2]] = [np.concatenate(of_both, axis=1) for of_both in zip(*seen.values(), strict=True)]
                seen |= {name: _both((plain[name], fuse(a, b)), places) for name, fuse in fusing.items()}
                yield from _rows(condition, places, seen)
    progress(len(pairs), len(pairs))


def _rows(
    condition: Mapping[str, object], places: list[Place], seen: Mapping[str, list[np.ndarray]]
) -> Iterator[dict[str, object]]:
    for method, (without, having) in seen.items():
        for (_, _, diameter), absent, present in zip(places, without, having, strict=True):
            yield {**condition, "method": method, "diameter": diameter, "absent": absent, "present": present}


def _both(images: tuple[np.ndarray, np.ndarray], places: list[Place]) -> list[np.ndarray]:
    """Return the responses at all places of an image without and one with lesions, (places, C) each."""
    return [np.stack([look_at(image, *place) for place in places]) for image in images]


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
    pairs: Sequence[ImagePair],
    contrasts: Sequence[float],
    *,
    rising: bool = False,
    steps: int = STEPS,
    progress: Progress = silent,
) -> np.ndarray:
    """Return the fused value for each two source values, (12, 12), that the observer sees the four kinds best by.

    What is raised is the mean AUC over kinds of lesions, sizes and contrasts, each with the template that is best for
    all places together; by Adam from the average of both sources.

    Args:
        pairs: of one kind of pair, those that the observer is trained on and those that it is tested on.
        contrasts: of the lesions.
        rising: whether the fused value must not fall where either source rises.
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
        areas = [_mean_area(_look_up(_table(parameters, rising), seen), size) for size, seen in squares.items()]
        (-torch.stack(areas).mean()).backward()
        optimiser.step()
    progress("Optimising a pointwise fusion", steps, steps)
    return _table(parameters, rising).detach().numpy()


def _table(parameters: Tensor, rising: bool) -> Tensor:
    table = parameters.sigmoid()
    return table.cummax(dim=0).values.cummax(dim=1).values if rising else table


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
