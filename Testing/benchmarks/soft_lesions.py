"""How much of a lesion without an edge a fused slice keeps, beside the discs of `csafusion evaluate`.

    python Testing/benchmarks/soft_lesions.py ../shared/data --kind SPECT-MRI
    python Testing/benchmarks/soft_lesions.py ../shared/data --kind SPECT-MRI --weights new=runs/best.safetensors

Training puts lesions with an edge into the sources. A network that trains long can learn that edge: it then raises
discs, which evaluation puts in too, and a real lesion of a PET or SPECT, which has no edge at its resolution, no more
than the average does. So Gaussian bumps (standard deviation 5 pixels, contrast .15, bright in dark tissue and dark in
bright) are put into one source of every val slice, at places drawn once; given is how much of their contrast the fused
slice has, the mean and in brackets the worst decile. What is kept by gains alone is the same for discs and bumps.
"""

from __future__ import annotations

import argparse
from collections.abc import Iterator, Sequence
from pathlib import Path

import numpy as np

from CSAFusionLib.evaluation.compared_methods import BUNDLED, NetworkMethod, weights_for
from CSAFusionLib.evaluation.fusion_methods import FusionMethod, average, maximum
from CSAFusionLib.training.dataset import read_dataset
from CSAFusionLib.training.pairs import ImagePair, PairKind, read_pairs
from CSAFusionLib.weights.weights_file import load_network

_DEVIATION, _CONTRAST = 5.0, 0.15
_TISSUE, _MIDDLE = 0.15, 0.5
_BUMPS = 2
"""In each source of a slice."""


def main() -> None:
    """Print a line for each method: what is kept of bumps in A, and in B."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("data", type=Path)
    parser.add_argument("--kind", default="SPECT-MRI", choices=[kind.value for kind in PairKind])
    parser.add_argument("--weights", action="append", default=[], metavar="[NAME=]WEIGHTS", help="once for each set")
    options = parser.parse_args()
    kind = PairKind(options.kind)
    pairs = read_pairs(read_dataset(options.data), [kind], "val", registered=Path("runs/registered"))
    methods: dict[str, FusionMethod] = {"average": average, "maximum": maximum}
    for word in [BUNDLED, *options.weights]:
        name, _, weights = word.rpartition("=")
        methods[name or Path(word).stem] = NetworkMethod(load_network(weights_for(weights, kind))[0])
    print(f"| {kind.value}: method | bumps in A | in B |\n| --- | --- | --- |")
    for name, fuse in methods.items():
        of_a, of_b = (kept(fuse, pairs, source) for source in (0, 1))
        print(f"| {name} | {_summary(of_a)} | {_summary(of_b)} |", flush=True)


def kept(fuse: FusionMethod, pairs: Sequence[ImagePair], source: int) -> list[float]:
    """Return the fused share of each bump's contrast, over its own shape; ``source`` 0 is A, 1 is B."""
    shares = []
    for index, pair in enumerate(pairs):
        sources = pair.a, pair.b
        plain = fuse(*sources)
        for bump in bumps(sources[0], sources[1], sources[source], np.random.default_rng(index)):
            marked = list(sources)
            marked[source] = np.clip(sources[source] + bump, 0, 1)
            put_in = marked[source] - sources[source]
            shares.append(float(((fuse(*marked) - plain) * bump).sum() / (put_in * bump).sum()))
    return shares


def bumps(a: np.ndarray, b: np.ndarray, marked: np.ndarray, random: np.random.Generator) -> Iterator[np.ndarray]:
    """Draw bumps (H, W) where both sources show tissue, with the sign that has more room in ``marked``."""
    places = np.argwhere((a > _TISSUE) & (b > _TISSUE))
    rows, columns = np.indices(a.shape)
    for row, column in random.choice(places, _BUMPS) if len(places) else ():
        shape = np.exp(-((rows - row) ** 2 + (columns - column) ** 2) / (2 * _DEVIATION**2)).astype(np.float32)
        sign = 1 if (marked * shape).sum() / shape.sum() < _MIDDLE else -1
        yield sign * _CONTRAST * shape


def _summary(shares: Sequence[float]) -> str:
    return f"{np.mean(shares):.2f} ({np.quantile(shares, 0.1):.2f})"


if __name__ == "__main__":
    main()
