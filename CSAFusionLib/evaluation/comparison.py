"""Measures every method on every pair, and colour on volumes, and derives the tables of a comparison."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import asdict, dataclass, fields, replace
from functools import cached_property, partial
from pathlib import Path
from typing import get_args

import numpy as np
import pandas as pd

from CSAFusionLib.evaluation.attainable_limit import OBJECTIVES, attainable
from CSAFusionLib.evaluation.clinical.consistency import flicker_table, read_slabs
from CSAFusionLib.evaluation.clinical.fidelity import artefacts, colour_fidelity
from CSAFusionLib.evaluation.clinical.lesions import LesionRetention, Source, lesion_retention, summarise_retention
from CSAFusionLib.evaluation.colour_observer import observe_in_colour
from CSAFusionLib.evaluation.compared_methods import ComparedMethod, by_method
from CSAFusionLib.evaluation.fusion_methods import OVERLAY, TABLE, ColourMethod, FusionMethod, overlay
from CSAFusionLib.evaluation.observer import BOUND, CONTRASTS, LEARNT, RISING, fused_by, observe, optimised_table
from CSAFusionLib.evaluation.statistics import average_by_patient, compare, mean_and_interval, rank, summarise
from CSAFusionLib.metrics.measure import measure
from CSAFusionLib.progress import Progress, silent
from CSAFusionLib.training.dataset import DataSet
from CSAFusionLib.training.pairs import ImagePair, PairKind


def measure_colour(
    methods: Mapping[str, Callable[[PairKind], ColourMethod]],
    kinds: Sequence[PairKind],
    dataset: DataSet,
    *,
    registered: Path,
    progress: Progress = silent,
) -> pd.DataFrame:
    """Return a row for each volume and method: kind and name of the volume, the method, and its fidelity.

    An overlay, as viewers show it, comes first. Kinds without a functional volume have no rows.

    Args:
        methods: by name, what fuses volumes of a kind in colour.
        kinds: which volumes are fused.
        registered: a folder that keeps registered volumes, so that they are registered once.
        progress: told of each volume and method.

    Raises:
        InputError: a volume is missing.
        Cancelled: from ``progress``.
    """
    functional = [kind for kind in kinds if kind.modalities[0].is_functional]
    rows: list[dict[str, object]] = []
    slabs = read_slabs(dataset, functional, registered=registered, progress=progress) if functional else []
    for slab in slabs:
        compared = {OVERLAY: overlay, **{name: method_for(slab.kind) for name, method_for in methods.items()}}
        for name, fuse in compared.items():
            progress("Fusing in colour", len(rows), len(slabs) * len(compared))
            rgb = fuse(slab.a, slab.b, (slab.spacing, *slab.pixel), TABLE)
            about = {"kind": slab.kind.value, "volume": slab.name, "method": name}
            rows.append({**about, **colour_fidelity(rgb, slab.a, TABLE)})
    progress("Fusing in colour", len(rows), len(rows))
    return pd.DataFrame(rows)


def middles_of_equal_parts(pairs: Sequence[ImagePair], count: int) -> list[ImagePair]:
    """Return at most ``count`` pairs of each kind: the middle ones of as many equal parts."""
    chosen: list[ImagePair] = []
    for kind in dict.fromkeys(pair.kind for pair in pairs):
        of_kind = [pair for pair in pairs if pair.kind is kind]
        wanted = min(count, len(of_kind))
        chosen += [of_kind[(2 * part + 1) * len(of_kind) // (2 * wanted)] for part in range(wanted)]
    return chosen


FusedPictures = dict[str, np.ndarray]
"""One pair's fused pictures by method, (H, W) uint8."""


def fuse_all(
    compared: Sequence[ComparedMethod], pairs: Sequence[ImagePair], progress: Progress = silent
) -> list[FusedPictures]:
    """Fuse every pair with every method, in whole grey values as a saved picture has them."""
    fused: list[FusedPictures] = []
    for done, pair in enumerate(pairs):
        pictures: FusedPictures = {}
        for index, method in enumerate(compared):
            progress("Fusing", done * len(compared) + index, len(pairs) * len(compared))
            pictures[method.name] = to_picture(method.fuse(pair))
        fused.append(pictures)
    progress("Fusing", len(pairs) * len(compared), len(pairs) * len(compared))
    return fused


def measure_all(
    pairs: Sequence[ImagePair], fused: Sequence[FusedPictures], progress: Progress = silent
) -> pd.DataFrame:
    """Return a row for each pair and method: kind, patient and name of the pair, the method, metrics and artefacts.

    The index is the pair's place in ``pairs``.
    """
    rows: list[dict[str, object]] = []
    places: list[int] = []
    total = sum(map(len, fused))
    for place, (pair, pictures) in enumerate(zip(pairs, fused, strict=True)):
        a, b = (to_picture(image).astype(np.float64) for image in (pair.a, pair.b))
        about = {"kind": pair.kind.value, "patient": pair.patient, "pair": pair.name}
        for method, picture in pictures.items():
            progress("Measuring", len(rows), total)
            image = picture.astype(np.float64)
            rows.append({**about, "method": method, **measure(a, b, image), **artefacts(a, b, image)})
            places.append(place)
    progress("Measuring", total, total)
    return pd.DataFrame(rows, index=places)


def to_picture(image: np.ndarray) -> np.ndarray:
    """Round an image to grey values, uint8; what leaves [0, 1] is clipped, as in every result that is written."""
    return (255 * np.clip(image, 0, 1)).round().astype(np.uint8)


def measure_lesions(
    methods: Mapping[str, Callable[[PairKind], FusionMethod]], pairs: Sequence[ImagePair], progress: Progress = silent
) -> pd.DataFrame:
    """Return a row for each pair, method and lesion: kind, patient and name of the pair, the method, and its fate.

    Args:
        methods: by name, what fuses slices of a kind.
    """
    rows: list[dict[str, object]] = []
    total = len(pairs) * len(methods)
    for done, pair in enumerate(pairs):
        for index, (method, method_for) in enumerate(methods.items()):
            progress("Fusing lesions", done * len(methods) + index, total)
            about = {"kind": pair.kind.value, "patient": pair.patient, "pair": pair.name, "method": method}
            rows += [{**about, **asdict(lesion)} for lesion in lesion_retention(method_for(pair.kind), pair.a, pair.b)]
    progress("Fusing lesions", total, total)
    return pd.DataFrame(rows)


def summarise_lesions(lesions: pd.DataFrame) -> pd.DataFrame:
    """Return the mean retention, its worst decile and the mean's 95 % interval for each source, by kind and method."""
    names = [field.name for field in fields(LesionRetention)]
    rows = []
    for (kind, method), of_method in lesions.groupby(["kind", "method"], sort=False):
        kept = summarise_retention([LesionRetention(*row) for row in of_method[names].to_numpy()])
        intervals = {
            f"95 %({source})": mean_and_interval(of_method[of_method["source"] == source], "retention")[1]
            for source in get_args(Source)
        }
        rows.append({"kind": kind, "method": method, **kept, **intervals})
    return pd.DataFrame(rows)


@dataclass(frozen=True)
class Comparison:
    """Our method's name, the pairs, each method's results, and the measured values; None for those not requested."""

    ours: str
    pairs: Sequence[ImagePair]
    fused: Sequence[FusedPictures]
    results: pd.DataFrame
    lesions: pd.DataFrame | None = None
    flicker: pd.DataFrame | None = None
    colour: pd.DataFrame | None = None
    limits: pd.DataFrame | None = None
    observer: pd.DataFrame | None = None
    observer_in_colour: pd.DataFrame | None = None

    @property
    def unobserved(self) -> list[str]:
        """The kinds of pairs that the model observer was asked about but had too few places for lesions in."""
        if self.observer is None:
            return []
        observed = set() if self.observer.empty else set(self.observer["kind"])
        return [kind for kind in dict.fromkeys(pair.kind.value for pair in self.pairs) if kind not in observed]

    @cached_property
    def by_patient(self) -> pd.DataFrame:
        """Each patient's means."""
        return average_by_patient(self.results)

    @cached_property
    def summary(self) -> pd.DataFrame:
        """The means over patients."""
        return summarise(self.by_patient)

    @cached_property
    def ranks(self) -> pd.DataFrame:
        """The methods' ranks within each kind."""
        return rank(self.summary)

    @cached_property
    def statistics(self) -> pd.DataFrame:
        """Our method against each of the others."""
        return compare(self.results, self.ours)


def compare_methods(
    compared: Sequence[ComparedMethod], ours: str, pairs: Sequence[ImagePair], progress: Progress = silent
) -> Comparison:
    """Fuse every pair with every method, and measure the results; clinical tests and limits can be added.

    Args:
        ours: the method that the others are tested against.

    Raises:
        Cancelled: from ``progress``.
    """
    fused = fuse_all(compared, pairs, progress)
    return Comparison(ours, pairs, fused, measure_all(pairs, fused, progress))


def add_lesions(comparison: Comparison, compared: Sequence[ComparedMethod], progress: Progress = silent) -> Comparison:
    """Return the comparison with lesion retention; saved results have none.

    Raises:
        Cancelled: from ``progress``.
    """
    methods = {method.name: method.method_for for method in compared if method.method_for is not None}
    return replace(comparison, lesions=measure_lesions(methods, comparison.pairs, progress))


def add_clinical_tests(
    comparison: Comparison,
    compared: Sequence[ComparedMethod],
    dataset: DataSet,
    *,
    registered: Path,
    progress: Progress = silent,
) -> Comparison:
    """Return the comparison with lesion retention, and with flicker and colour on volumes of its kinds; saved results
    have none.

    Args:
        registered: a folder that keeps registered volumes, so that they are registered once.

    Raises:
        InputError: a volume is missing.
        Cancelled: from ``progress``.
    """
    kinds = list(dict.fromkeys(pair.kind for pair in comparison.pairs))
    methods = {method.name: method.volume_for for method in compared if method.volume_for is not None}
    flicker = flicker_table(methods, kinds, dataset, registered=registered, progress=progress)
    in_colour = {method.name: method.colour_for for method in compared if method.colour_for is not None}
    colour = measure_colour(in_colour, kinds, dataset, registered=registered, progress=progress)
    return replace(add_lesions(comparison, compared, progress), flicker=flicker, colour=colour)


def add_observer(
    comparison: Comparison,
    compared: Sequence[ComparedMethod],
    training: Sequence[ImagePair],
    *,
    bound: bool = False,
    progress: Progress = silent,
) -> Comparison:
    """Return the comparison with what the model observer sees, in colour too where A is PET or SPECT; saved results
    have none.

    Args:
        training: pairs of other patients, on which the observer is trained.
        bound: whether to find how much it could see by a pointwise fusion that is optimised for it: on all slices, the
            tested ones too, which is a bound, and on those that the observer is trained on; and on all slices once more
            by one that rises with both sources.

    Raises:
        Cancelled: from ``progress``.
    """
    methods = {method.name: _for_pairs(method.method_for) for method in compared if method.method_for is not None}
    if bound:
        methods[BOUND] = _optimised([*training, *comparison.pairs], progress)
        methods[LEARNT] = _optimised(training, progress)
        methods[RISING] = _optimised([*training, *comparison.pairs], progress, rising=True)
    ratings = observe(methods, training, comparison.pairs, progress)
    in_colour = {method.name: method.colour_for for method in compared if method.colour_for is not None}
    of_colour = observe_in_colour(in_colour, training, comparison.pairs, progress)
    return replace(comparison, observer=ratings, observer_in_colour=of_colour)


def _for_pairs(method_for: Callable[[PairKind], FusionMethod]) -> Callable[[ImagePair], FusionMethod]:
    return lambda pair: method_for(pair.kind)


def _optimised(
    pairs: Sequence[ImagePair], progress: Progress, *, rising: bool = False
) -> Callable[[ImagePair], FusionMethod]:
    """Return what fuses as the pointwise fusion does that is optimised for each kind of pair."""

    def table_for(kind: PairKind) -> np.ndarray:
        of_kind = [pair for pair in pairs if pair.kind is kind]
        return optimised_table(of_kind, CONTRASTS, rising=rising, progress=progress)

    fusing = {kind: fused_by(table_for(kind)) for kind in dict.fromkeys(pair.kind for pair in pairs)}
    return lambda pair: fusing[pair.kind]


def add_limits(comparison: Comparison, progress: Progress = silent) -> Comparison:
    """Return the comparison with what is attainable on its pairs, measured as the methods are; this takes long.

    Raises:
        Cancelled: from ``progress``, between objectives.
    """
    optimised = [by_method(objective, partial(attainable, objective=objective)) for objective in OBJECTIVES]
    fused = fuse_all(optimised, comparison.pairs, progress)
    return replace(comparison, limits=measure_all(comparison.pairs, fused, progress))
