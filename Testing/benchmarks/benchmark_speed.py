"""CPU time and memory as a ratio to an old version, whether the output changed, and how cost grows.

    python Testing/benchmarks/benchmark_speed.py [--only ratios,large,threads,growth,output] [--runs 3]
        [--old bedf8d4] [--data ../shared/data] [--peer NAME=SCRIPT]...

The old version is taken from git. Every measurement is a fresh process; old and new take turns, and what counts is the
CPU time of the process, system included, so that other work on the machine matters little. A peer's script is called
as ``python SCRIPT N``, imports its method, and fuses N pairs of 256 x 256 pixels one by one; like our own network it is
charged for 20 pairs less what 0 pairs cost. Of every ratio the least and the median of the runs are printed.
"""

from __future__ import annotations

import argparse
import json
import multiprocessing
import os
import subprocess
import sys
import tarfile
import tempfile
from collections.abc import Callable, Sequence
from concurrent.futures import ProcessPoolExecutor
from dataclasses import dataclass, field
from functools import partial
from pathlib import Path
from statistics import median

import numpy as np
import SimpleITK as sitk

ROOT = Path(__file__).resolve().parents[2]
CHILD = Path(__file__).with_name("speed_child.py")
SLICES = 20
WEIGHTS = ("t1-t2", "ct-mr", "pet-mr", "spect-mr")
# Fixed, moving, and the window of the moving one where versions find different ones.
PAIRS = (
    ("stroke/T1.nii.gz", "stroke/T2.nii.gz"),
    ("open_ms/mni_patient07/T1.nii.gz", "open_ms/mni_patient07/FLAIR.nii.gz"),
    ("open_ms/patient12/study1_T1W.nii.gz", "open_ms/patient12/study1_T2W.nii.gz"),
    ("templates/avg152T1.nii.gz", "templates/avg152T2.nii.gz"),
    ("templates/spm_T1.nii.gz", "templates/spm_PET.nii.gz"),
    ("rire/training_001_mr_T1.mha", "rire/CT_slab_in_T1_grid_slices7-11.nii.gz", "100,300"),
)


@dataclass(frozen=True)
class Cost:
    """What a process took: CPU seconds, peak memory in bytes, and what it printed as JSON."""

    cpu: float
    peak: int
    said: dict[str, float] = field(default_factory=dict)


def run(package: Path, *command: str, threads: int = 1) -> Cost:
    """Run Python with a version of the package and measure the process."""
    number = str(threads)
    environment = os.environ | {
        "PYTHONPATH": str(package),
        "OMP_NUM_THREADS": number,
        "ITK_GLOBAL_DEFAULT_NUMBER_OF_THREADS": number,
    }
    with tempfile.TemporaryFile() as printed:
        process = subprocess.Popen(
            [sys.executable, *command], env=environment, cwd=package, stdout=printed, stderr=subprocess.DEVNULL
        )
        _, status, usage = os.wait4(process.pid, 0)
        process.returncode = os.waitstatus_to_exitcode(status)
        if process.returncode:
            raise SystemExit(f"{' '.join(command)} failed with {package}")
        printed.seek(0)
        text = printed.read().decode()
    unit = 1 if sys.platform == "darwin" else 1024
    said = json.loads(text) if text.startswith("{") else {}
    return Cost(usage.ru_utime + usage.ru_stime, usage.ru_maxrss * unit, said)


def compiled(package: Path) -> Path:
    """A package whose modules are compiled, as an installer leaves them: no run is charged for that."""
    subprocess.run([sys.executable, "-m", "compileall", "-q", str(package / "CSAFusionLib")], check=True)
    return package


def unpacked(commit: str, folder: Path) -> Path:
    """The package as it was at a commit."""
    archive = folder / "old.tar"
    subprocess.run(["git", "archive", "-o", archive, commit, "CSAFusionLib"], cwd=ROOT, check=True)
    with tarfile.open(archive) as tar:
        tar.extractall(folder / "old", filter="data")
    return folder / "old"


def made(folder: Path, *size: int) -> tuple[str, str]:
    """Two volumes of blurred noise, int16, size (x, y, z), without empty slices; the same ones each time."""
    paths = [folder / f"{'x'.join(map(str, size))}-{seed}.nii.gz" for seed in (0, 1)]
    if not all(path.exists() for path in paths):
        # On Linux the peak of a child is at least what its parent holds, so the volumes are made elsewhere.
        with ProcessPoolExecutor(1, mp_context=multiprocessing.get_context("spawn")) as maker:
            maker.submit(_write_noise, paths, size).result()
    return str(paths[0]), str(paths[1])


def _write_noise(paths: list[Path], size: tuple[int, ...]) -> None:
    for seed, path in enumerate(paths):
        voxels = np.random.default_rng(seed).gamma(4, 100, size[::-1]).astype(np.float32)
        image = sitk.DiscreteGaussian(sitk.GetImageFromArray(voxels), 2.0)
        sitk.WriteImage(sitk.Cast(image, sitk.sitkInt16), str(path), useCompression=True)


def fused(
    package: Path, pair: tuple[str, str], output: Path, threads: int = 1, network: str = "network", window: str = ""
) -> Cost:
    """Fuse a pair of volume files, registration apart."""
    return run(package, str(CHILD), "volumes", *pair, str(output), str(threads), network, window, threads=threads)


def table(title: str, rows: Sequence[Sequence[object]]) -> None:
    """Print rows, the first one the header, as Markdown."""
    print(f"\n{title}\n")
    for index, row in enumerate(rows):
        print("| " + " | ".join(str(cell) for cell in row) + " |")
        if index == 0:
            print("|---" * len(row) + "|")
    sys.stdout.flush()


def ratios(old: Path, folder: Path, runs: int, peers: dict[str, str]) -> None:
    """Old against new in turn: the network, a volume through the command line, a pair of pictures; and peers."""

    def network(package: Path, weights: str = "t1-t2") -> float:
        costs = [run(package, str(CHILD), "network", str(count), "256", weights).cpu for count in (0, SLICES)]
        return (costs[1] - costs[0]) / SLICES

    def command(*arguments: str) -> Callable[[Path], float]:
        def cpu(package: Path) -> float:
            # The last argument: an output that is there already would be refused.
            Path(arguments[-1]).unlink(missing_ok=True)
            return run(package, "-m", "CSAFusionLib.cli", "fuse", *arguments).cpu

        return cpu

    def peer(script: str) -> Callable[[Path], float]:
        return lambda _: (run(ROOT, script, str(SLICES)).cpu - run(ROOT, script, "0").cpu) / SLICES

    pair = made(folder, 256, 256, 160)
    pictures = [str(folder / f"{seed}.png") for seed in (0, 1)]
    for seed, path in enumerate(pictures):
        pixels = np.random.default_rng(seed).integers(0, 256, (256, 256), np.uint8)
        sitk.WriteImage(sitk.GetImageFromArray(pixels), path)
    cases: dict[str, Callable[[Path], float]] = {
        f"network, a 256x256 slice, {weights}": partial(network, weights=weights) for weights in WEIGHTS
    }
    cases |= {
        "fuse 256x256x160, no registration": command(
            *pair, "--registration", "none", "--device", "cpu", "-o", str(folder / "fused.nii.gz")
        ),
        "fuse, one PNG pair": command(*pictures, "--device", "cpu", "-o", str(folder / "fused.png")),
    }
    rows = [_row(name, [(case(old), case(ROOT)) for _ in range(runs)]) for name, case in cases.items()]
    for name, script in peers.items():
        rows.append(_row(f"network, against {name}", [(peer(script)(ROOT), network(ROOT)) for _ in range(runs)]))
    table("CPU seconds, one thread", [("what", "old or peer", "new", *_RATIOS), *rows])


_RATIOS = ("ratio, least", "ratio, median")


def _row(name: str, pairs: list[tuple[float, float]]) -> tuple[str, ...]:
    """What is compared, the medians of both sides, and the least and the median ratio of the runs."""
    old, new = (median(side) for side in zip(*pairs, strict=True))
    quotients = [after / before for before, after in pairs]
    return name, f"{old:.3f}", f"{new:.3f}", f"{min(quotients):.2f}", f"{median(quotients):.2f}"


def large(old: Path, folder: Path, runs: int) -> None:
    """512x512x300 with two threads: peak memory, and CPU time with a stand-in for the network."""
    pair, output = made(folder, 512, 512, 300), folder / "fused.nii.gz"

    def peak(package: Path) -> float:
        return fused(package, pair, output, threads=2).peak / 2**30

    def cpu(package: Path) -> float:
        return fused(package, pair, output, network="stand-in").cpu

    cases = {"peak memory, GiB": peak, "CPU seconds outside the network": cpu}
    rows = [_row(name, [(case(old), case(ROOT)) for _ in range(runs)]) for name, case in cases.items()]
    table("512x512x300, .nii.gz in and out", [("what", "old", "new", *_RATIOS), *rows])


def threads(folder: Path, runs: int) -> None:
    """Wall-clock time with two threads against one; only a quiet machine tells."""
    pair, output = made(folder, 256, 256, 160), folder / "fused.nii.gz"

    def wall(count: int) -> float:
        return fused(ROOT, pair, output, count).said["wall"]

    row = _row("256x256x160", [(wall(1), wall(2)) for _ in range(runs)])
    table("Seconds, read, fused and written", [("what", "one thread", "two threads", *_RATIOS), row])


def growth(folder: Path) -> None:
    """How CPU time and memory grow with slices and with pixels."""
    rows: list[tuple[str, ...]] = [
        ("voxels", "CPU seconds", "microseconds a voxel", "peak memory, MiB", "bytes a voxel")
    ]
    start = fused(ROOT, made(folder, 16, 16, 16), folder / "fused.nii.gz")
    for size in ((256, 256, 40), (256, 256, 80), (256, 256, 160), (256, 256, 320), (128, 128, 80), (512, 512, 80)):
        cost = fused(ROOT, made(folder, *size), folder / "fused.nii.gz")
        voxels, mib = float(np.prod(size)), cost.peak / 2**20
        time, more = (cost.cpu - start.cpu) / voxels * 1e6, (cost.peak - start.peak) / voxels
        rows.append(("x".join(map(str, size)), f"{cost.cpu:.1f}", f"{time:.2f}", f"{mib:.0f}", f"{more:.1f}"))
    table(f"Growth beyond 16x16x16 voxels ({start.cpu:.1f} s, {start.peak / 2**20:.0f} MiB), one thread", rows)


def output(old: Path, data: Path, folder: Path) -> None:
    """How far the new output is from the old one, in 8-bit grey levels."""
    rows: list[tuple[str, ...]] = [("pair", "largest difference, grey levels", "8-bit pixels that change")]
    for fixed, moving, *window in PAIRS:
        pair = str(data / "volumes" / fixed), str(data / "volumes" / moving)
        images = []
        for package in (old, ROOT):
            fused(package, pair, folder / "one.nii.gz", window="".join(window))
            images.append(sitk.GetArrayFromImage(sitk.ReadImage(str(folder / "one.nii.gz"))).astype(float) * 255)
        changed = np.count_nonzero(images[0].round() != images[1].round())
        largest = np.abs(images[0] - images[1]).max()
        rows.append((f"{fixed} + {moving}", f"{largest:.5f}", f"{changed} of {images[0].size}"))
    table("Output against the old version", rows)


def main() -> None:
    """Measure what is asked for and print it."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--only", default="ratios,large,threads,growth,output")
    parser.add_argument("--runs", type=int, default=3)
    parser.add_argument("--old", default="bedf8d4", help="the commit to compare with")
    parser.add_argument("--data", type=Path, default=ROOT.parent / "shared" / "data")
    parser.add_argument("--peer", action="append", default=[], metavar="NAME=SCRIPT")
    arguments = parser.parse_args()
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        old = compiled(unpacked(arguments.old, folder))
        compiled(ROOT)
        measures = {
            "ratios": lambda: ratios(old, folder, arguments.runs, dict(peer.split("=", 1) for peer in arguments.peer)),
            "large": lambda: large(old, folder, arguments.runs),
            "growth": lambda: growth(folder),
            "output": lambda: output(old, arguments.data.resolve(), folder),
            "threads": lambda: threads(folder, arguments.runs),
        }
        for what in arguments.only.split(","):
            measures[what]()


if __name__ == "__main__":
    main()
