"""A folder of a batch with cases of every kind, small enough to be made for each test."""

from __future__ import annotations

import json
import os
import shutil
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np
import pytest
import SimpleITK as sitk

from CSAFusionLib.batch.layout import CASE_FORMAT, FAILED, FAILED_FORMAT, FORMAT_VERSION, SIDECAR

if TYPE_CHECKING:
    from playwright.sync_api import Browser, BrowserContext

_BROWSERS = ("chromium", "chromium-browser", "google-chrome")
MARKUP = '<img src=x onerror="document.title=`hit`">'


def a_ball(radius: float, brightness: float) -> sitk.Image:
    """A bright ball with a dark core in a cube of 24 voxels of 4 mm."""
    far = np.linalg.norm(np.indices((24, 24, 24)) - 11.5, axis=0)
    image = sitk.GetImageFromArray((brightness * ((far < radius) - 0.6 * (far < radius / 2))).astype(np.float32))
    image.SetSpacing((4.0, 4.0, 4.0))
    return image


def a_case(out: Path, name: str, level: str | None, **changed: Any) -> Path:
    """A case as ``csafusion batch`` leaves it; returns its folder. changed: entries of the sidecar's registration."""
    folder = out / name
    folder.mkdir(parents=True)
    sitk.WriteImage(a_ball(9, 200), str(out / f"{name}-fixed.nrrd"))
    sitk.WriteImage(a_ball(8, 1000), str(folder / "registered.nrrd"))
    sitk.WriteImage(a_ball(9, 0.9), str(folder / "fused.nrrd"))
    sitk.WriteTransform(sitk.TranslationTransform(3, (8.0, 0.0, 0.0)), str(folder / "transform.tfm"))
    values = {
        "format": CASE_FORMAT,
        "format_version": FORMAT_VERSION,
        "name": name,
        "inputs": {"fixed": {"path": str(out / f"{name}-fixed.nrrd")}, "moving": {"path": "gone.nrrd"}},
        "outputs": {role: {"file": f"{role}.nrrd"} for role in ("fused", "registered")}
        | {"transform": {"file": "transform.tfm"}},
        "settings": {},
        "run": {},
        "fixed": {"modality": "MR", "black": 0.0, "white": 200.0},
        "moving": {"modality": "PET", "black": 0.0, "white": 1000.0, "knee": None},
        "registration": {
            "method": "LANDMARKS",
            "metric": {"moved_mm": 8.0, "rotation_degrees": 0.0, "better_mm": 1.0},
            "verdict": level and {"level": level, "reason": f"It is {level}."},
        }
        | changed,
        "warnings": [f"The name {MARKUP} is odd."],
    }
    (folder / SIDECAR).write_text(json.dumps(values))
    return folder


def fill(out: Path) -> Path:
    """Five cases: good, good but less sure, doubtful, bad, and one that failed."""
    a_case(out, "case-good", "good")
    a_case(out, "case-unsure", "good", metric={"better_mm": 3.5, "overlap_after": 0.5})
    a_case(out, "case-doubtful", "doubtful", misalignment={"sentence": "95 % of the anatomy lies within 0.9 mm."})
    a_case(out, "case-bad", "bad")
    (out / FAILED).mkdir()
    record = {
        "format": FAILED_FORMAT, "format_version": FORMAT_VERSION, "name": "case-failed", "inputs": {}, "settings": {},
        "run": {}, "sentence": f"'{MARKUP}' does not exist.",
    }  # fmt: skip
    (out / FAILED / "case-failed.json").write_text(json.dumps(record))
    return out


@pytest.fixture
def a_batch(tmp_path: Path) -> Path:
    """A folder of five cases of its own."""
    return fill(tmp_path / "a batch & more")


@pytest.fixture(scope="module")
def the_batch(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A folder of five cases that a file of tests shares, to look at only."""
    return fill(tmp_path_factory.mktemp("shared") / "a batch & more")


@pytest.fixture
def make_case() -> Callable[..., Path]:
    """Adds a case to the folder of a batch."""
    return a_case


@pytest.fixture(scope="module")
def a_browser(request: pytest.FixtureRequest) -> Iterator[Browser]:
    """Chromium without a window and without a network. BROWSER_ARGUMENTS of the test file are more arguments."""
    executable = os.environ.get("CSAFUSION_CHROMIUM") or next(filter(None, map(shutil.which, _BROWSERS)), None)
    if executable is None:
        pytest.skip("no Chromium on the PATH, and none named by CSAFUSION_CHROMIUM")
    playwright = pytest.importorskip("playwright.sync_api", reason="needs the package playwright")
    with playwright.sync_playwright() as started:
        arguments = ["--no-sandbox", "--disable-background-networking", "--disable-component-update"]
        arguments += getattr(request.module, "BROWSER_ARGUMENTS", [])
        browser = started.chromium.launch(executable_path=executable, args=arguments)
        yield browser
        browser.close()


@pytest.fixture
def a_context(a_browser: Browser) -> Iterator[BrowserContext]:
    """A reader who has decided nothing yet."""
    context = a_browser.new_context(viewport={"width": 1300, "height": 900}, accept_downloads=True)
    yield context
    context.close()
