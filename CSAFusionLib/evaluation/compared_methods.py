"""The methods of a comparison behind one interface: baselines, networks, saved results and the attainable limit.

- Fusion by a trained network.
- What another program fused, from a folder of pictures.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from functools import cache
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np

from CSAFusionLib import __version__
from CSAFusionLib.errors import InputError
from CSAFusionLib.evaluation.fusion_methods import (
    ColourMethod,
    FusionMethod,
    VolumeMethod,
    slice_by_slice,
    with_chrominance,
)
from CSAFusionLib.fusion.device import Device
from CSAFusionLib.fusion.settings import FusionSettings
from CSAFusionLib.fusion.weight_maps import neighbour_weights
from CSAFusionLib.training.pairs import ImagePair, PairKind, read_luminance
from CSAFusionLib.weights.weights_file import choose_weights, load_network

if TYPE_CHECKING:
    from CSAFusionLib.network.csafusion import CSAFusion


class NetworkMethod:
    """Fuses with a network as CSAFusion does: single slices, or volumes, whose slices share their gains.

    Args:
        network: in evaluation mode.
        device: as PyTorch names it.
        balance: strength of the two sources, from -1 (A alone) over 0 (as the network balances them) to 1 (B alone).

    Raises:
        InputError: a balance is given for a network that predicts pixels.
    """

    def __init__(self, network: CSAFusion, device: str = "cpu", balance: float = 0.0) -> None:
        from CSAFusionLib.fusion.weight_maps import strengths_of

        self.network = network
        self.device = Device(device, "asked for")
        self.strengths = strengths_of(network.configuration, fixed_is_a=True, balance=balance)

    def __call__(self, a: np.ndarray, b: np.ndarray) -> np.ndarray:
        """Fuse two slices (H, W) in [0, 1]."""
        return self._fuse(a[None], b[None], np.ones(1))[0]

    def fuse_volume(self, a: np.ndarray, b: np.ndarray, spacing: float) -> np.ndarray:
        """Fuse the slices (S, H, W) in [0, 1] of two volumes, ``spacing`` mm apart."""
        return self._fuse(a, b, neighbour_weights(spacing, FusionSettings().through_slice_smoothing))

    def fuse_in_colour(
        self, uptake: np.ndarray, anatomy: np.ndarray, voxel: tuple[float, float, float], table: str
    ) -> np.ndarray:
        """Fuse two volumes as CSAFusion shows a PET or SPECT in colour; a :data:`ColourMethod`."""
        from CSAFusionLib.fusion.colour import apply_colour_table
        from CSAFusionLib.fusion.colouring import bind_colour
        from CSAFusionLib.fusion.slices import fuse_slices
        from CSAFusionLib.intensity.voxel_values import rgb_to_yuv

        luminance = rgb_to_yuv(apply_colour_table(uptake, table))[..., 0].astype(np.float32)
        neighbours = neighbour_weights(voxel[0], FusionSettings().through_slice_smoothing)
        fused = fuse_slices(
            self.network,
            luminance,
            anatomy,
            self.device,
            strengths=self.strengths,
            neighbours=neighbours,
            with_contribution=True,
        )
        # Without gains, the anatomy's part of the result is unknown: the whole result stands in for it.
        of_anatomy = 1.0 if fused.contribution is None else 1 - fused.contribution
        reach = np.ones_like(anatomy)
        parts = fused.slices, fused.slices * of_anatomy, reach
        return bind_colour(uptake, table, *parts, pixel=voxel[1:], strengths=self.strengths)

    def _fuse(self, a: np.ndarray, b: np.ndarray, neighbours: np.ndarray) -> np.ndarray:
        from CSAFusionLib.fusion.slices import fuse_slices

        fused = fuse_slices(self.network, a, b, self.device, strengths=self.strengths, neighbours=neighbours)
        return fused.slices


Results = Mapping[tuple[PairKind, str], np.ndarray]
"""Fused images (H, W) float32 in [0, 1] by the kind and the name of their pair."""


def read_results(folder: Path, pairs: Sequence[ImagePair]) -> Results:
    """Read the fused picture of every pair; colour gives luminance.

    Args:
        folder: holds ``KIND/PAIR.png``; or ``PAIR.png`` when all pairs are of one kind.
        pairs: the pairs whose pictures must exist.

    Raises:
        InputError: naming the first picture that is missing, unreadable, not of 8 bits, or not of its pair's size.
    """
    single = len({pair.kind for pair in pairs}) == 1
    return {(pair.kind, pair.name): _read(_path(folder, pair, single), pair) for pair in pairs}


def _path(folder: Path, pair: ImagePair, single: bool) -> Path:
    of_kind = folder / pair.kind.value
    return (folder if single and not of_kind.is_dir() else of_kind) / f"{pair.name}.png"


def _read(path: Path, pair: ImagePair) -> np.ndarray:
    fused = read_luminance(path)
    if fused.shape != pair.a.shape:
        sizes = " and ".join("{1} x {0}".format(*shape) for shape in (fused.shape, pair.a.shape))
        raise InputError(f"'{path}' and its sources are {sizes} pixels; save it in the size of its sources.")
    if fused.max() > 1:
        raise InputError(f"'{path}' has more than 8 bits; save it with values from 0 to 255.")
    return fused


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
        InputError: there are no such weights, or a balance is given for a network that predicts pixels.
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
        InputError: as :func:`CSAFusionLib.evaluation.compared_methods.read_results` does.
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
