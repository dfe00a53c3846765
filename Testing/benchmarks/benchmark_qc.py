"""Measure the page of ``csafusion qc`` for many cases: its size, the time to make it, and its first paint in Chromium.

    python Testing/benchmarks/benchmark_qc.py --cases 300

The cases are pairs of the shared volumes, in turn, each turned and shifted a little so that no two pictures are alike;
the fused volume is their mean. Reading the volumes is not counted. First paint is the browser's own "first contentful
paint" of the page opened as a file, the worst of several; "pictures" is when those of the first row are there.
"""

from __future__ import annotations

import argparse
import os
import shutil
import tempfile
import time
from functools import partial
from pathlib import Path

import numpy as np
import SimpleITK as sitk
from known_truth import DATA, rigid_motion
from playwright.sync_api import sync_playwright

from CSAFusionLib.files.atomic_write import atomic_write
from CSAFusionLib.geometry.grid import centre
from CSAFusionLib.qc.cases import QcCase, Volumes
from CSAFusionLib.qc.page import page_writer
from CSAFusionLib.registration.preparation import prepare
from CSAFusionLib.volumes.reading import read_volume

PAIRS = (
    ("stroke/T1.nii.gz", "stroke/T2.nii.gz"),
    ("pyapetnet/T1_2000.nii.gz", "pyapetnet/PET_osem.nii.gz"),
    ("templates/scct.nii.gz", "templates/avg152T1.nii.gz"),
    ("open_ms/mni_patient07/T1.nii.gz", "open_ms/mni_patient07/FLAIR.nii.gz"),
)
LEVELS = ("good", "good", "good", "doubtful", "good", "bad")
FIRST_PAINT = "performance.getEntriesByName('first-contentful-paint')[0].startTime"


def brought_to_unit(image: sitk.Image) -> sitk.Image:
    """The image from 0 to 1 between its outer quantiles."""
    low, high = np.quantile(sitk.GetArrayViewFromImage(image), (0.005, 0.995))
    return sitk.Clamp((image - float(low)) / float(high - low), sitk.sitkFloat32, 0.0, 1.0)


def volumes_of(pair: tuple[sitk.Image, sitk.Image], number: int) -> Volumes:
    """The volumes of a case, moved as no other."""
    motion = rigid_motion(centre(pair[0]), 6.0, 8.0, np.random.default_rng(number))
    fixed, registered = (sitk.Resample(image, image, motion) for image in pair)
    return Volumes(fixed, registered, (fixed + registered) / 2, motion)


def make(file: Path, count: int, data: Path) -> float:
    """Write a page of so many cases; returns CPU seconds a case."""
    pairs = []
    for names in PAIRS:
        fixed, moving = (brought_to_unit(prepare(read_volume(data / "volumes" / name))) for name in names)
        pairs.append((fixed, sitk.Resample(moving, fixed)))
    figures = (("Moved", "6.0 mm"), ("Turned", "8.0°"), ("Correlation", "0.83"), ("Overlap", "97%"))
    cases = [
        QcCase(
            f"sub-{number:03d}", LEVELS[number % len(LEVELS)], "What the check says of it in one or two lines. " * 2,
            figures, ("A warning.",), load=partial(volumes_of, pairs[number % len(pairs)], number),
        )
        for number in range(count)
    ]  # fmt: skip
    started = time.process_time()
    atomic_write({file: page_writer(cases, file.parent)})
    return (time.process_time() - started) / count


def open_page(file: Path, executable: str) -> tuple[float, float]:
    """First contentful paint, and until the pictures of the first row are there, seconds."""
    with sync_playwright() as started:
        browser = started.chromium.launch(executable_path=executable, args=["--no-sandbox"])
        page = browser.new_page(viewport={"width": 1400, "height": 900})
        clock = time.perf_counter()
        page.goto(file.as_uri(), wait_until="commit")
        page.wait_for_selector("#case-0 .stack img")
        pictures = time.perf_counter() - clock
        page.wait_for_load_state("load")
        paint = float(page.evaluate(FIRST_PAINT)) / 1000
        browser.close()
    return paint, pictures


def main() -> None:
    """Make the page, open it, and print what was measured."""
    parser = argparse.ArgumentParser(description=(__doc__ or "").split("\n")[0])
    parser.add_argument("--cases", type=int, default=300)
    parser.add_argument("--opened", type=int, default=3, help="how often the page is opened")
    parser.add_argument("--keep", type=Path, help="also keep the page here")
    parser.add_argument("--data", type=Path, default=DATA)
    options = parser.parse_args()
    executable = os.environ.get("CSAFUSION_CHROMIUM") or shutil.which("chromium")
    with tempfile.TemporaryDirectory() as folder:
        file = Path(folder) / "qc.html"
        seconds = make(file, options.cases, options.data)
        print(f"{options.cases} cases: {file.stat().st_size / 1e6:.1f} MB, {seconds:.2f} CPU-s a case")
        if executable is None:
            raise SystemExit("no Chromium is here: name one by CSAFUSION_CHROMIUM to measure the first paint")
        opened = [open_page(file, executable) for _ in range(options.opened)]
        paint, pictures = (max(times) for times in zip(*opened, strict=True))
        print(f"first paint {paint:.2f} s, pictures of the first row {pictures:.2f} s (the worst of {options.opened})")
        if options.keep:
            shutil.copy(file, options.keep)


if __name__ == "__main__":
    main()
