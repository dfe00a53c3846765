"""The methods of a comparison: baselines, networks, saved results and the attainable limit, all alike."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from functools import cache
from pathlib import Path

import numpy as np

from CSAFusionLib import __version__
from CSAFusionLib.errors import InputError
from CSAFusionLib.evaluation.methods import ColourMethod, FusionMethod, VolumeMethod, slice_by_slice, with_chrominance
from CSAFusionLib.evaluation.methods.network import NetworkMethod
from CSAFusionLib.evaluation.methods.saved_results import read_results
from CSAFusionLib.training.pairs import ImagePair, PairKind
from CSAFusionLib.weights.catalogue import choose_weights, load_network

BUNDLED = "CSAFusion"
"""The name under which each kind of pair is fused with the bundled weights that CSAFusion itself would choose."""


@dataclass(frozen=True)
class ComparedMethod:
    """A name for the tables, and how it fuses a pair; ``method_for`` a kind fuses any other two slices as well.

    ``volume_for`` a kind fuses volumes, and ``colour_for`` one fuses them in colour. Saved results have none of these:
    they know no other pairs than those they were made from. ``about`` says where weights or results come from.
    """

    name: str
    fuse: Callable[[ImagePair], np.ndarray]
    method_for: Callable[[PairKind], FusionMethod] | None = None
    volume_for: Callable[[PairKind], VolumeMethod] | None = None
    colour_for: Callable[[PairKind], ColourMethod] | None = None
    about: str = ""


def by_method(name: str, method: FusionMethod) -> ComparedMethod:
    """Return the compared method that fuses every kind of pair alike."""
    volume_method = slice_by_slice(method)
    return _by_kind(name, lambda kind: method, lambda kind: volume_method, lambda kind: with_chrominance(volume_method))


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
    def volume_for(kind: PairKind) -> VolumeMethod:
        return method_for(kind).fuse_volume

    return _by_kind(name, method_for, volume_for, lambda kind: method_for(kind).fuse_in_colour, about)


def _by_kind(
    name: str,
    method_for: Callable[[PairKind], FusionMethod],
    volume_for: Callable[[PairKind], VolumeMethod],
    colour_for: Callable[[PairKind], ColourMethod],
    about: str = "",
) -> ComparedMethod:
    def fuse(pair: ImagePair) -> np.ndarray:
        return method_for(pair.kind)(pair.a, pair.b)

    return ComparedMethod(name, fuse, method_for, volume_for, colour_for, about)
