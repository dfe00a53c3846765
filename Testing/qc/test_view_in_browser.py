"""The view of a case in a real browser, which draws without a graphics card."""

from __future__ import annotations

import io
from collections.abc import Iterator
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np
import pytest
import SimpleITK as sitk
from PIL import Image

from CSAFusionLib.files.atomic_write import atomic_write
from CSAFusionLib.qc.cases import find_cases
from CSAFusionLib.qc.page import case_to_view, view_writer

pytest.importorskip("playwright.sync_api", reason="needs the package playwright")

if TYPE_CHECKING:
    from playwright.sync_api import BrowserContext, Page

BROWSER_ARGUMENTS = ["--use-angle=swiftshader", "--enable-unsafe-swiftshader"]


@pytest.fixture
def a_view(a_context: BrowserContext, a_batch: Path) -> Iterator[Page]:
    """A view opened as a file: fixed and moving grey, the fused volume red in the patient's right half, else grey."""
    fused = sitk.ReadImage(str(a_batch / "case-good" / "fused.nrrd"))
    grey = (sitk.GetArrayFromImage(fused) * 255).astype(np.uint8)
    # Stored from the patient's left to right, so that a viewer that disregards the header shows it mirrored.
    red = np.stack([grey, grey * (np.arange(24) < 12), grey * (np.arange(24) < 12)], axis=-1)
    image = sitk.GetImageFromArray(red, isVector=True)
    image.SetSpacing(fused.GetSpacing())
    image.SetDirection((-1, 0, 0, 0, 1, 0, 0, 0, 1))
    image.SetOrigin((92.0, 0.0, 0.0))
    sitk.WriteImage(image, str(a_batch / "case-good" / "fused.nrrd"))
    file = a_batch / "view.html"
    atomic_write({file: view_writer(case_to_view(find_cases(a_batch), "case-good", a_batch))})
    page = a_context.new_page()
    errors: list[str] = []
    asked: list[str] = []
    page.on("pageerror", lambda error: errors.append(str(error)))
    page.on("console", lambda message: errors.append(message.text) if message.type == "error" else None)
    page.on("request", lambda request: asked.append(request.url))
    page.goto(file.as_uri())
    page.wait_for_selector("canvas[data-shown]")
    yield page
    assert not errors
    assert asked[0] == file.as_uri()
    assert all(address.startswith(("data:", "blob:")) for address in asked[1:])


def _canvas(page: Page) -> np.ndarray:
    """What the canvas shows, (H, W, 3) in [0, 255], once it is drawn."""
    page.evaluate("new Promise(done => requestAnimationFrame(() => requestAnimationFrame(done)))")
    picture = Image.open(io.BytesIO(page.locator("#canvas").screenshot()))
    return np.asarray(picture.convert("RGB")).astype(int)


def _red(picture: np.ndarray) -> np.ndarray:
    """Where the fused volume is red, which the thin cross is too."""
    red = (picture[..., 0] > 100) & (picture[..., 1] < 40)
    return np.argwhere(red)


def test_a_view_draws_the_volumes_and_switches_between_them(a_view: Page) -> None:
    assert a_view.inner_text("#notice") == "Research use only, not for diagnosis."
    assert a_view.inner_text("#message") == ""
    assert a_view.get_attribute("#canvas", "data-shown") == "fixed under registered"
    both = _canvas(a_view)
    assert (both.min(axis=-1) > 100).mean() > 0.02

    a_view.fill("#opacity", "0")
    fixed = _canvas(a_view)
    a_view.check("#warm")
    a_view.fill("#opacity", "100")
    warm = _canvas(a_view)
    assert np.abs(warm - fixed).max() > 60
    assert (warm[..., 0] - warm[..., 2] > 60).sum() > (fixed[..., 0] - fixed[..., 2] > 60).sum() + 1000

    a_view.select_option("#layout", "render")
    whole = _canvas(a_view)
    a_view.fill("#cut", "50")
    half = _canvas(a_view)
    assert (whole.max(axis=-1) > 40).sum() > 1000 and np.abs(half - whole).max() > 40


def test_colour_shows_as_it_is_with_the_patients_right_on_the_left(a_view: Page) -> None:
    a_view.select_option("#above", "")
    a_view.select_option("#layout", "axial")
    assert len(_red(_canvas(a_view))) < 8000
    assert a_view.is_disabled("#opacity") and a_view.is_disabled("#warm")
    a_view.select_option("#below", "fused")
    assert a_view.get_attribute("#canvas", "data-shown") == "fused"
    picture = _canvas(a_view)
    places = _red(picture)
    assert len(places) > 20000
    assert np.median(places[:, 1]) < picture.shape[1] / 2 - 40
    # Above another it would not be opaque.
    offered = a_view.eval_on_selector_all("#above option", "all => all.map(one => one.value)")
    assert offered == ["", "fixed", "registered"] and a_view.is_visible("#colour")


def test_a_browser_without_webgl_is_told_so(a_context: BrowserContext, a_batch: Path) -> None:
    file = a_batch / "view.html"
    atomic_write({file: view_writer(case_to_view(find_cases(a_batch), "case-good", a_batch))})
    page = a_context.new_page()
    page.add_init_script("HTMLCanvasElement.prototype.getContext = () => null")
    page.goto(file.as_uri())
    assert "WebGL 2 is missing" in page.inner_text("#message")
