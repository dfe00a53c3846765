"""The golden net: fuse seven real inputs, register two, and print a hash of every output, CPU seconds and peak memory.

    python Testing/benchmarks/golden.py ../shared/data
    python Testing/benchmarks/golden.py ../shared/data --against /old/environment/bin/csafusion

With ``--against`` every job also runs with another installation, right before this one. Where the hashes differ, the
table gives the largest difference and the share of voxels that differ by more than half an 8-bit grey level.
"""

from __future__ import annotations

import argparse
import hashlib
import os
import platform
import subprocess
import sys
import tempfile
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import SimpleITK as sitk

ROOT = Path(__file__).resolve().parents[2]
HALF_A_GREY_LEVEL = 0.5 / 255


@dataclass(frozen=True)
class Job:
    """One call of the command line; ``inputs`` are relative to the data folder."""

    name: str
    command: str
    inputs: tuple[str, str]
    options: tuple[str, ...] = ()
    output: str = "out.nii.gz"


MS = "volumes/open_ms"
TRANSFORM = ("--transform", "{out}/transform.tfm")
JOBS = (
    Job("grey T1/T2", "fuse", ("volumes/stroke/T1.nii.gz", "volumes/stroke/T2.nii.gz"), ("--registration", "none")),
    Job(
        "colour SPECT",
        "fuse",
        ("volumes/templates/spm_T1.nii.gz", "volumes/templates/spm_SPECT.nii.gz"),
        ("--registration", "none", "--moving-modality", "SPECT", "--colour-table", "hot-iron"),
    ),
    Job(
        "PET",
        "fuse",
        ("volumes/templates/spm_T1.nii.gz", "volumes/templates/spm_PET.nii.gz"),
        ("--registration", "none", "--moving-modality", "PET"),
    ),
    Job(
        "thin CT slab",
        "fuse",
        ("volumes/rire/training_001_mr_T1.mha", "volumes/rire/CT_slab_in_T1_grid_slices7-11.nii.gz"),
        ("--registration", "none", "--moving-modality", "CT", "--png", "{out}/out.png"),
    ),
    Job("oblique", "fuse", (f"{MS}/patient12/study1_T1W.nii.gz", f"{MS}/patient12/study1_T2W.nii.gz")),
    Job(
        "deformable",
        "fuse",
        ("volumes/templates/avg152T1.nii.gz", "volumes/templates/scct.nii.gz"),
        ("--registration", "landmarks", "--model", "bspline", "--moving-modality", "CT"),
    ),
    Job("PNG pair", "fuse", ("slices/CT-MRI/MRI/33010.png", "slices/CT-MRI/CT/33010.png"), output="out.png"),
    Job(
        "register T1/T2",
        "register",
        (f"{MS}/patient01/study1_T1W.nii.gz", f"{MS}/patient01/study1_T2W.nii.gz"),
        TRANSFORM,
    ),
    Job(
        "register CT/T1", "register", ("volumes/templates/avg152T1.nii.gz", "volumes/templates/scct.nii.gz"), TRANSFORM
    ),
)


@dataclass(frozen=True)
class Outcome:
    """What one run gave: the output's voxels and geometry, CPU seconds and peak memory of its process in MiB."""

    voxels: np.ndarray
    geometry: tuple[float, ...]
    seconds: float
    mib: float

    @property
    def hash(self) -> str:
        """A hash of geometry (to a millionth) and voxels, not of the file, whose compression may change."""
        told = f"{self.voxels.dtype} {self.voxels.shape} {[round(number, 6) + 0.0 for number in self.geometry]}"
        return hashlib.sha256(told.encode() + self.voxels.tobytes()).hexdigest()[:16]


def main() -> None:
    """Run the jobs that were asked for and print a table."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("data", type=Path, help="the folder that holds slices and volumes")
    parser.add_argument("--against", type=Path, help="the csafusion program of another installation")
    parser.add_argument("--only", default="", help="jobs whose name contains this")
    arguments = parser.parse_args()
    this = [sys.executable, "-m", "CSAFusionLib.cli"]
    other = [str(arguments.against.absolute())] if arguments.against else None
    columns = "| job | hash | CPU s | MiB |" + (
        " other hash | CPU s | MiB | largest difference | > 1/2 grey |" if other else ""
    )
    print(columns, "|" + "---|" * (columns.count("|") - 1), sep="\n")
    for job in JOBS:
        if arguments.only in job.name:
            before = run(job, other, arguments.data) if other else None
            print(row(job, run(job, this, arguments.data), before), flush=True)


def row(job: Job, now: Outcome, before: Outcome | None) -> str:
    """Return the job's row of the table."""
    cells = [job.name, now.hash, f"{now.seconds:.1f}", f"{now.mib:.0f}"]
    if before is not None:
        cells += [before.hash, f"{before.seconds:.1f}", f"{before.mib:.0f}", *compared(now, before)]
    return "| " + " | ".join(cells) + " |"


def compared(now: Outcome, before: Outcome) -> tuple[str, str]:
    """Return the largest difference of the voxels and the share that differs visibly, or why there is none."""
    if now.hash == before.hash:
        return "none", "0 %"
    if now.voxels.shape != before.voxels.shape or not np.allclose(now.geometry, before.geometry, atol=1e-6):
        return "another grid", ""
    difference = np.abs(now.voxels.astype(np.float64) - before.voxels)
    unit = 1.0 if now.voxels.dtype.kind == "f" else 255.0
    return f"{difference.max():.3g}", f"{100 * (difference > HALF_A_GREY_LEVEL * unit).mean():.3g} %"


def run(job: Job, program: list[str], data: Path) -> Outcome:
    """Run one job in a process of its own, with one thread, and read its output."""
    with tempfile.TemporaryDirectory() as folder:
        output = Path(folder) / job.output
        options = [option.format(out=folder) for option in job.options]
        command = [
            *program,
            job.command,
            *(str(data.resolve() / path) for path in job.inputs),
            "-o",
            str(output),
            *options,
        ]
        seconds, mib = measured(command)
        image = sitk.ReadImage(str(output))
        geometry = (*image.GetSpacing(), *image.GetOrigin(), *image.GetDirection())
        return Outcome(sitk.GetArrayFromImage(image), geometry, seconds, mib)


def measured(command: list[str]) -> tuple[float, float]:
    """Run a command to its end and return its CPU seconds and its peak memory in MiB; ends this run if it fails."""
    threads = ("OMP_NUM_THREADS", "ITK_GLOBAL_DEFAULT_NUMBER_OF_THREADS")
    environment = os.environ | dict.fromkeys(threads, "1")
    process = subprocess.Popen(command, cwd=ROOT, env=environment, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)
    _, status, usage = os.wait4(process.pid, 0)
    if status:
        sys.exit(f"failed with exit status {os.waitstatus_to_exitcode(status)}: {' '.join(command)}")
    bytes_each = 1 if platform.system() == "Darwin" else 1024
    return usage.ru_utime + usage.ru_stime, usage.ru_maxrss * bytes_each / 2**20


if __name__ == "__main__":
    main()
