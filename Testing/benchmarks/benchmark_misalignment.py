"""Measure the map of misalignment against known smooth deformations, and print a Markdown table.

    python Testing/benchmarks/benchmark_misalignment.py
    python Testing/benchmarks/benchmark_misalignment.py --only stroke --peaks 0,4 --draws 3

Pairs of the shared volumes that lie in one space stand for a right registration. The moving volume of each is warped by
a random smooth field (white noise under a Gaussian; 99 % of the head moves less than ``peak``), and the map is measured
as if nothing had happened. Of each run: how much of the head the map claims to know; over that, the true misalignment,
the mean error of the map, the correlation of map and truth (none where nothing was moved), how often the truth lies
within two of the map's own standard deviations (95 % when they are right), and the 95 % quantile of both. A pair whose
own alignment is off, such as two averages of many heads, counts as an error of the map.
"""

from __future__ import annotations

import argparse
import time
from collections.abc import Iterator
from pathlib import Path

import numpy as np
import pandas as pd
import SimpleITK as sitk
from known_truth import DATA

from CSAFusionLib.geometry.transform_algebra import map_points
from CSAFusionLib.registration.misalignment_map import measure_misalignment, summarise
from CSAFusionLib.registration.preparation import prepare
from CSAFusionLib.volumes.reading import read_volume

PAIRS = {
    "stroke T1/T1": ("stroke/T1.nii.gz", "stroke/T1.nii.gz"),
    "stroke T1/T2": ("stroke/T1.nii.gz", "stroke/T2.nii.gz"),
    "stroke T1/FLAIR": ("stroke/T1.nii.gz", "stroke/FLAIR.nii.gz"),
    "patient07 T1/FLAIR": ("open_ms/mni_patient07/T1.nii.gz", "open_ms/mni_patient07/FLAIR.nii.gz"),
    "pyapetnet T1/PET": ("pyapetnet/T1_2000.nii.gz", "pyapetnet/PET_osem.nii.gz"),
    "rire T1/CT slab": ("rire/training_001_mr_T1.mha", "rire/CT_slab_in_T1_grid_slices7-11.nii.gz"),
    "templates T1/T2": ("templates/avg152T1.nii.gz", "templates/avg152T2.nii.gz"),
    "templates CT/T1": ("templates/scct.nii.gz", "templates/avg152T1.nii.gz"),
    "templates T1/PET": ("templates/spm_T1.nii.gz", "templates/spm_PET.nii.gz"),
    "templates T1/SPECT": ("templates/spm_T1.nii.gz", "templates/spm_SPECT.nii.gz"),
    "stroke T1/T2, 15 mm off": ("stroke/T1.nii.gz", "stroke/T2.nii.gz"),
    "two patients": ("stroke/T1.nii.gz", "open_ms/mni_patient07/T1.nii.gz"),
}
"""Fixed and moving files; of the last two, which lie farther off than a match can, nothing should be known."""

FAR_MM = 15.0

NODES_MM = 4.0
ROUNDS = 20


def deformation(image: sitk.Image, *, peak_mm: float, smoothness_mm: float, seed: int) -> sitk.Transform:
    """A random smooth field over an image, which moves 99 % of its foreground by less than ``peak_mm``."""
    random = np.random.default_rng(seed)
    grid = sitk.Image(np.ceil(np.multiply(image.GetSize(), image.GetSpacing()) / NODES_MM).astype(int).tolist(), 1)
    margin = int(2 * smoothness_mm / NODES_MM)
    shape = np.add(grid.GetSize()[::-1], 2 * margin)
    parts = []
    for _ in range(3):
        noise = sitk.GetImageFromArray(random.normal(size=shape))
        smooth = sitk.GetArrayFromImage(sitk.SmoothingRecursiveGaussian(noise, smoothness_mm / NODES_MM))
        # The filter is untrue at the border.
        parts.append(smooth[(slice(margin, -margin),) * 3])
    shifts = np.stack(parts, axis=-1)
    shifts = (shifts * (peak_mm / np.quantile(np.linalg.norm(shifts, axis=-1), 0.99))).astype(np.float64)
    field = sitk.GetImageFromArray(shifts, isVector=True)
    field.SetSpacing([NODES_MM] * 3)
    field.SetOrigin(image.GetOrigin())
    field.SetDirection(image.GetDirection())
    return sitk.DisplacementFieldTransform(field)


def displacement(warp: sitk.Transform, points: np.ndarray) -> np.ndarray:
    """How far, (N,) mm, a point lies from where the warped volume shows the same: the inverse of the warp."""
    shifts = np.zeros_like(points)
    for _ in range(ROUNDS):
        shifts -= np.reshape(map_points(warp, points + shifts), (-1, 3)) - points
    return np.linalg.norm(shifts, axis=1)


def measure(name: str, peak: float, smoothness: float, seed: int, data: Path) -> dict[str, object]:
    """The row of one run."""
    fixed, moving = (prepare(read_volume(data / "volumes" / file)) for file in PAIRS[name])
    warp = deformation(moving, peak_mm=peak, smoothness_mm=smoothness, seed=seed) if peak else sitk.Transform()
    dark = float(sitk.GetArrayViewFromImage(moving).min())
    warped = sitk.Resample(moving, moving, warp, sitk.sitkLinear, dark) if peak else moving
    if "mm off" in name:
        warped.SetOrigin(np.add(warped.GetOrigin(), (FAR_MM, 0, 0)).tolist())
    started = time.process_time()
    found = measure_misalignment(fixed, warped, sitk.Euler3DTransform())
    seconds = time.process_time() - started
    truth = displacement(warp, found.places(found.known))
    said, deviation = found.distance[found.known], found.deviation[found.known]
    summary = summarise(found)
    some = len(truth) > 0
    return {
        "pair": name,
        "peak, mm": peak,
        "known": f"{summary.known:.0%}",
        "truth, mm": truth.mean() if some else np.nan,
        "error, mm": np.abs(said - truth).mean() if some else np.nan,
        "correlation": np.corrcoef(said, truth)[0, 1] if some and peak else np.nan,
        "within 2 SD": f"{(np.abs(said - truth) < 2 * deviation).mean():.0%}" if some else "",
        "SD, mm": float(deviation.mean()) if some else np.nan,
        "95 % of truth": np.quantile(truth, 0.95) if some else np.nan,
        "95 % of map": summary.within_mm if some else np.nan,
        "CPU s": seconds,
    }


def runs(options: argparse.Namespace) -> Iterator[dict[str, object]]:
    """All rows that the command line asks for."""
    for name in PAIRS:
        if options.only and not any(part in name for part in options.only.split(",")):
            continue
        for peak in map(float, options.peaks.split(",")):
            for draw in range(options.draws if peak else 1):
                yield measure(name, peak, options.smoothness, draw, options.data)


def main() -> None:
    """Measure what the command line chooses."""
    parser = argparse.ArgumentParser(description=(__doc__ or "").split("\n")[0])
    parser.add_argument("--only", default="", help="parts of the names of the pairs to run, with commas between them")
    parser.add_argument("--peaks", default="0,2,4", help="mm that 99 %% of the head is moved less than")
    parser.add_argument("--smoothness", type=float, default=20.0, help="of the deformation, mm")
    parser.add_argument("--draws", type=int, default=1, help="random deformations of each size")
    parser.add_argument("--data", type=Path, default=DATA)
    rows = []
    for row in runs(parser.parse_args()):
        rows.append(row)
        print(
            " | ".join(f"{value:.2f}" if isinstance(value, float) else str(value) for value in row.values()), flush=True
        )
    print("\n" + pd.DataFrame(rows).to_markdown(index=False, floatfmt=".2f"))


if __name__ == "__main__":
    main()
