"""What the model observer sees in every method's images, against what it sees in the sources."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping, Sequence

import numpy as np
import pandas as pd

from CSAFusionLib.evaluation.bootstrap import interval
from CSAFusionLib.evaluation.clinical.lesions import LESION_KINDS, Place, places_for_all_kinds, put_in
from CSAFusionLib.evaluation.clinical.observer import HALF_SIDE, area_under_roc, look_at, train_observer
from CSAFusionLib.evaluation.methods import FusionMethod
from CSAFusionLib.progress import Progress, silent
from CSAFusionLib.training.pairs import ImagePair

CONTRASTS = (0.08, 0.16)
SOURCES = ("A", "B", "A and B side by side")
_LEAST_TRAINED_ON = 30
_CONDITION = ["kind", "lesion", "diameter", "contrast"]

Methods = Mapping[str, Callable[[ImagePair], FusionMethod]]


def observe(
    methods: Methods, training: Sequence[ImagePair], pairs: Sequence[ImagePair], progress: Progress = silent
) -> pd.DataFrame:
    """Let the observer rate every place of every pair, with and without a lesion of each of the four kinds.

    One observer is trained for each kind of pair, method, kind of lesion, size and contrast; of the sources it sees A,
    B, or both side by side.

    Args:
        methods: by name, what fuses any two slices as it would those of a pair.
        training: pairs that the observers are trained on; other patients, or other slices, than ``pairs``.
        pairs: what they are tested on.
        progress: told of each pair.

    Returns:
        A row for each method, condition (kind of pair, kind of lesion, diameter, contrast) and place: the patient and
        the name of the pair, and the ratings ``absent`` and ``present``. Conditions with fewer than 30 places to train
        on are left out.
    """
    responses = pd.DataFrame(_responses(methods, (*training, *pairs), len(training), progress))
    if responses.empty:
        return responses
    rated = []
    for key, places in responses.groupby(["method", *_CONDITION], sort=False):
        trained_on, tested = places[places["trains"]], places[~places["trains"]]
        if len(trained_on) < _LEAST_TRAINED_ON or tested.empty:
            continue
        observer = train_observer(np.stack(trained_on["absent"]), np.stack(trained_on["present"]))
        random = np.random.default_rng(0)
        ratings = {what: observer.ratings(np.stack(tested[what]), random) for what in ("absent", "present")}
        about = dict(zip(["method", *_CONDITION], key, strict=True))
        rated.append(tested[["patient", "pair"]].assign(**about, **ratings))
    return pd.concat(rated, ignore_index=True) if rated else pd.DataFrame()


def summarise_observer(ratings: pd.DataFrame) -> pd.DataFrame:
    """Return a row for each kind of pair and method: the AUC of each kind of lesion, and its interval.

    The AUC of a kind of lesion is the mean over sizes and contrasts. The intervals (95 %) are by bootstrap over
    patients, or over slices where there are too few patients (:mod:`CSAFusionLib.evaluation.bootstrap`).
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
    methods: Methods, pairs: Sequence[ImagePair], training: int, progress: Progress
) -> Iterator[dict[str, object]]:
    for index, pair in enumerate(pairs):
        progress("Observing", index, len(pairs))
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
    progress("Observing", len(pairs), len(pairs))


def _rows(
    condition: Mapping[str, object], places: list[Place], seen: Mapping[str, list[np.ndarray]]
) -> Iterator[dict[str, object]]:
    for method, (without, having) in seen.items():
        for (_, _, diameter), absent, present in zip(places, without, having, strict=True):
            yield {**condition, "method": method, "diameter": diameter, "absent": absent, "present": present}


def _both(images: tuple[np.ndarray, np.ndarray], places: list[Place]) -> list[np.ndarray]:
    """Return the responses at all places of an image without and one with lesions, (places, C) each."""
    return [np.stack([look_at(image, *place) for place in places]) for image in images]
