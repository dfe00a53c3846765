"""The methods of a comparison: baselines, networks, saved results and the attainable limit, all alike."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from functools import cache
from pathlib import Path

import numpy as np

from CSAFusionLib import __version__
from CSAFusionLib.errors import InputError
from CSAFusionLib.evaluation.methods import FusionMethod, VolumeMethod, slice_by_slice
from CSAFusionLib.evaluation.methods.network import NetworkMethod
from CSAFusionLib.evaluation.methods.saved_results import read_results
from CSAFusionLib.training.pairs import ImagePair, PairKind
from CSAFusionLib.weights.catalogue import choose_weights, load_network

BUNDLED = "CSAFusion"
"""The name under which each kind of pair is fused with the bundled weights that CSAFusion itself would choose."""


@dataclass(frozen=True)
class ComparedMethod:
    """A name for the tables, and how it fuses a pair; ``method_for`` a kind fuses any other two slices as well.

    ``volume_for`` a kind fuses volumes. Saved results have neither: they know no other pairs than those they were made
    from. ``about`` says where weights or results come from.
    """

    name: str
    fuse: Callable[[ImagePair], np.ndarray]
    method_for: Callable[[PairKind], FusionMethod] | None = None
    volume_for: Callable[[PairKind], VolumeMethod] | None = None
    about: str = ""


def by_method(name: str, method: FusionMethod) -> ComparedMethod:
    """Return the compared method that fuses every kind of pair alike."""
    return _by_kind(name, lambda kind: method, lambda kind: slice_by_slice(method))


def by_weights(name: str, weights: str | Path, device: str = "cpu", balance: float = 0.0) -> ComparedMethod:
    """Return the method that fuses with bundled weights or a file's.

    :data:`BUNDLED` and a folder (of ``t1-t2.safetensors``, ``ct-mr.safetensors``...) have weights for each kind.

    Args:
        balance: strength of the two sources, from -1 (A alone) over 0 (as the network balances them) to 1 (B alone).

    Raises:
        InputError: there are no such weights, or a balance is asked of a network that predicts pixels.
    """
    shifted = f", balance {balance:+g}" if balance else ""
    if weights == BUNDLED or Path(weights).is_dir():
        load = cache(lambda chosen: NetworkMethod(load_network(chosen)[0], device, balance))
        origin = f"CSAFusion {__version__}" if weights == BUNDLED else f"the folder {weights}"
        about = f"the weights of {origin} that fit the kind{shifted}"
        return _by_networks(name, lambda kind: load(weights_for(weights, kind)), about)
    network, info = load_network(weights)
    method = NetworkMethod(network, device, balance)
    return _by_networks(name, lambda kind: method, f"weights {info.name}, SHA-256 {info.sha256}{shifted}")


def weights_for(weights: str | Path, kind: PairKind) -> str:
    """Return the name or the path of the weights that ``weights``, as :func:`by_weights` takes it, has for a kind."""
    fitting = choose_weights(*kind.modalities)
    if weights == BUNDLED:
        return fitting
    return str(Path(weights) / f"{fitting}.safetensors") if Path(weights).is_dir() else str(weights)


def by_results(name: str, folder: Path, pairs: Sequence[ImagePair]) -> ComparedMethod:
    """Return the method whose fused pictures of ``pairs`` lie in a folder.

    Raises:
        InputError: as :func:`CSAFusionLib.evaluation.methods.saved_results.read_results` does.
    """
    results = read_results(folder, pairs)
    return ComparedMethod(name, lambda pair: results[pair.kind, pair.name], about=f"pictures in {folder}")


def check_names(compared: Sequence[ComparedMethod]) -> None:
    """Refuse two methods of one name.

    Raises:
        InputError: naming it.
    """
    names = [method.name for method in compared]
    for name in names:
        if names.count(name) > 1:
            raise InputError(f"Two methods are named '{name}'; give each a name of its own.")


def _by_networks(name: str, method_for: Callable[[PairKind], NetworkMethod], about: str) -> ComparedMethod:
    return _by_kind(name, method_for, lambda kind: method_for(kind).fuse_volume, about)


def _by_kind(
    name: str,
    method_for: Callable[[PairKind], FusionMethod],
    volume_for: Callable[[PairKind], VolumeMethod],
    about: str = "",
) -> ComparedMethod:
    return ComparedMethod(name, lambda pair: method_for(pair.kind)(pair.a, pair.b), method_for, volume_for, about)
