"""How long a fusion takes and how much memory it needs, registration apart, as a row of a Markdown table.

    python Testing/benchmarks/benchmark_fusion.py [--size X Y Z] [--device cpu] [--threads 2] [--colour] [--weights W]

It runs in a process of its own, so that the peak is that of the fusion: start, libraries, inputs and all.
"""

from __future__ import annotations

import argparse
import multiprocessing
import platform
import resource
import time
from concurrent.futures import ProcessPoolExecutor

import numpy as np
import SimpleITK as sitk


def main() -> None:
    """Measure once and print the row under its header."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--size", type=int, nargs=3, default=(256, 256, 160), metavar=("X", "Y", "Z"))
    parser.add_argument("--device", default="cpu")
    parser.add_argument("--threads", type=int, default=2)
    parser.add_argument("--colour", action="store_true", help="fuse a PET in colour in place of a second MR")
    parser.add_argument("--weights", help="name or file; default: by modality")
    arguments = parser.parse_args()
    size = tuple(arguments.size)
    with ProcessPoolExecutor(1, mp_context=multiprocessing.get_context("spawn")) as process:
        seconds, gib, device = process.submit(
            measure, size, arguments.device, arguments.threads, arguments.colour, arguments.weights
        ).result()
    what = "colour" if arguments.colour else "grey"
    print("| voxels | result | device | threads | seconds | peak memory, GiB |\n|---|---|---|---|---|---|")
    print(
        f"| {'x'.join(map(str, size))} | {what} | {device} | {arguments.threads} | {seconds:.1f} | {gib:.2f} |",
        flush=True,
    )


def measure(
    size: tuple[int, int, int], device: str, threads: int, colour: bool, weights: str | None
) -> tuple[float, float, str]:
    """Fuse two made volumes without empty slices; returns seconds, peak memory of this process in GiB, and device."""
    import torch

    from CSAFusionLib.fusion.pipeline import fuse_volumes
    from CSAFusionLib.fusion.settings import FusionSettings
    from CSAFusionLib.intensity.modality import Modality
    from CSAFusionLib.registration.registration import Method
    from CSAFusionLib.volumes.volume import Volume

    torch.set_num_threads(threads)
    sitk.ProcessObject.SetGlobalDefaultNumberOfThreads(threads)
    settings = FusionSettings(
        registration=Method.NONE,
        fixed_modality=Modality.MR,
        moving_modality=Modality.PET if colour else Modality.MR,
        colour_table="hot-iron" if colour else None,
        weights=weights,
        device=device,
    )
    fixed, moving = (Volume(_tissue(size, seed), f"made {seed}") for seed in (0, 1))
    start = time.perf_counter()
    result = fuse_volumes(fixed, moving, settings)
    seconds = time.perf_counter() - start
    unit = 1 if platform.system() == "Darwin" else 1024
    peak = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss * unit / 2**30
    return seconds, peak, result.provenance["device"]["name"]


def _tissue(size: tuple[int, int, int], seed: int) -> sitk.Image:
    voxels = np.random.default_rng(seed).gamma(4, 100, size[::-1]).astype(np.float32)
    return sitk.DiscreteGaussian(sitk.GetImageFromArray(voxels), 2.0)


if __name__ == "__main__":
    main()
