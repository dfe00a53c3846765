"""Measure the constants of CSAFusionLib/memory.py, and how far its estimates are from what is measured.

    python Testing/benchmarks/measure_memory.py

Each volume shows something in a few slices only: the network skips the others, and memory is as for a whole one. Every
command runs in a process of its own, whose peak the system tells; it takes some minutes and runs on Linux and macOS.
"""

from __future__ import annotations

import multiprocessing
import os
import platform
import re
import subprocess
import sys
import tempfile
from concurrent.futures import ProcessPoolExecutor
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import SimpleITK as sitk

from CSAFusionLib import memory

SIZES = {"small": (128, 128, 80), "middle": (256, 256, 160), "large": (384, 384, 200), "wide": (512, 512, 60)}
COLOUR = ("--moving-modality", "PET", "--colour-table", "hot-iron")
BYTES_OF_A_FLOAT = 4


@dataclass(frozen=True)
class Run:
    """A command, on a fixed and a moving volume of a size each; what was measured and estimated, in bytes."""

    fixed: str
    moving: str
    words: tuple[str, ...]
    measured: float = 0.0
    estimated: float = 0.0


RUNS = (
    *(Run(size, size, ("fuse", "--registration", "none")) for size in SIZES),
    *(Run(size, size, ("fuse", "--registration", "none", *COLOUR)) for size in SIZES),
    Run("small", "large", ("fuse", "--registration", "none")),
    Run("large", "small", ("fuse", "--registration", "none")),
    Run("large", "large", ("fuse", "--registration", "sitk")),
    Run("large", "large", ("fuse", "--registration", "landmarks")),
)


def main() -> None:
    """Print what each run took beside its estimate, and the constants that would fit best."""
    with tempfile.TemporaryDirectory() as place:
        # On Linux the peak of a child is at least what its parent holds, so the volumes are made elsewhere.
        with ProcessPoolExecutor(1, mp_context=multiprocessing.get_context("spawn")) as maker:
            maker.submit(_write_volumes, place).result()
        runs = [_measured(run, Path(place)) for run in RUNS]
    print("| fixed | moving | command | measured, MiB | estimated, MiB | error |\n|---|---|---|---|---|---|")
    for run in runs:
        error = run.estimated / run.measured - 1
        words = " ".join(run.words)
        print(
            f"| {run.fixed} | {run.moving} | {words} | {run.measured / 2**20:.0f} | {run.estimated / 2**20:.0f} "
            f"| {error:+.0%} |"
        )
    for name, chosen in (("FUSING_GREY", runs[: len(SIZES)]), ("FUSING_COLOUR", runs[len(SIZES) : 2 * len(SIZES)])):
        slope, base = _line(chosen)
        print(f"{name}: {slope:.0f} ({getattr(memory, name):.0f} now), with LIBRARIES: {base / 2**20:.0f} MiB")


def _line(runs: list[Run]) -> tuple[float, float]:
    """Bytes for each voxel beyond the two volumes and the network on two threads, and bytes at no voxels."""
    voxels = np.array([np.prod(SIZES[run.fixed]) for run in runs], float)
    beyond = np.array([run.measured for run in runs]) - voxels * 2 * BYTES_OF_A_FLOAT
    beyond -= [memory.NETWORK_PIXEL * 2 * np.prod(SIZES[run.fixed][:2]) for run in runs]
    slope, base = np.polyfit(voxels, beyond, 1)
    return float(slope), float(base)


def _measured(run: Run, place: Path) -> Run:
    inputs = [str(place / f"{run.fixed}0.nrrd"), str(place / f"{run.moving}1.nrrd")]
    command, *options = run.words
    output = place / "out.nii.gz"
    output.unlink(missing_ok=True)
    words = [sys.executable, "-m", "CSAFusionLib.cli", command, *inputs, *options, "-o", str(output)]
    child = subprocess.Popen(words, stdout=subprocess.PIPE, stderr=subprocess.DEVNULL, text=True)
    assert child.stdout is not None
    said = child.stdout.read()
    _, status, used = os.wait4(child.pid, 0)
    if status:
        sys.exit(f"failed: {' '.join(words)}")
    told = re.search(r"^Memory +about ([\d.]+) (MiB|GiB)", said, re.MULTILINE)
    assert told is not None
    unit = {"MiB": 2**20, "GiB": 2**30}[told[2]]
    peak = used.ru_maxrss * (1 if platform.system() == "Darwin" else 1024)
    return Run(run.fixed, run.moving, run.words, peak, float(told[1]) * unit)


def _write_volumes(place: str) -> None:
    for size in SIZES:
        for seed in (0, 1):
            sitk.WriteImage(_volume(SIZES[size], seed), f"{place}/{size}{seed}.nrrd")


def _volume(size: tuple[int, int, int], seed: int) -> sitk.Image:
    """A textured ball of 200 mm in its middle slices, on a grid of some 230 mm."""
    lengths = np.array(size[::-1])
    z, y, x = np.meshgrid(*(np.linspace(-1.15, 1.15, n) for n in lengths), indexing="ij", sparse=True)
    voxels = np.where(x**2 + y**2 + z**2 < 1, 300, 0).astype(np.float32)
    voxels += np.random.default_rng(seed).random(voxels.shape, dtype=np.float32) * 40 * (voxels > 0)
    middle = len(voxels) // 2
    voxels[: middle - 4], voxels[middle + 4 :] = 0, 0
    image = sitk.GetImageFromArray(voxels)
    # Two volumes on one grid are the exception, and take less.
    image.SetSpacing(((230 + seed) / np.array(size)).tolist())
    return image


if __name__ == "__main__":
    main()
