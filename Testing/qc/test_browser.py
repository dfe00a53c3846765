"""The page in a real browser: what a reader clicks, types and takes along.

Skipped where there is no Chromium: name one by the environment variable CSAFUSION_CHROMIUM, or have it on the PATH.
"""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path
from typing import TYPE_CHECKING

import pytest

from CSAFusionLib.files.atomic_write import atomic_write
from CSAFusionLib.qc.cases import find_cases
from CSAFusionLib.qc.page import page_writer

pytest.importorskip("playwright.sync_api", reason="needs the package playwright")

if TYPE_CHECKING:
    from playwright.sync_api import BrowserContext, Page


@pytest.fixture(scope="module")
def the_file(the_batch: Path) -> Path:
    """The page of a batch, made once for all who only look at it."""
    return _made(the_batch)


def _made(batch: Path) -> Path:
    file = batch / "qc.html"
    atomic_write({file: page_writer(find_cases(batch), batch)})
    return file


@pytest.fixture
def a_page(a_context: BrowserContext, the_file: Path) -> Iterator[Page]:
    """The page, opened as a file; no error happens on it, and it asks for nothing."""
    page = a_context.new_page()
    errors: list[str] = []
    asked: list[str] = []
    page.on("pageerror", lambda error: errors.append(str(error)))
    page.on("console", lambda message: errors.append(message.text) if message.type == "error" else None)
    page.on("request", lambda request: asked.append(request.url))
    page.goto(the_file.as_uri())
    page.wait_for_selector("article .stack")
    yield page
    assert not errors
    assert all(address.startswith(("file:", "data:", "blob:")) for address in asked)


def _names(page: Page) -> list[str]:
    return page.eval_on_selector_all("article:not([hidden]) .name", "all => all.map(one => one.textContent)")


def test_rows_stand_doubtful_first_with_words_beside_the_marks(a_page: Page) -> None:
    assert _names(a_page) == ["case-bad", "case-doubtful", "case-failed", "case-unsure", "case-good"]
    words = a_page.eval_on_selector_all("article .level", "all => all.map(one => one.textContent)")
    assert words == ["Bad.", "Doubtful.", "Failed.", "Good.", "Good."]
    assert a_page.inner_text("#notice") == "Research use only, not for diagnosis."


def test_markup_in_names_and_warnings_stays_text(a_page: Page) -> None:
    assert a_page.title() == "QC a batch & more"
    assert "<img src=x" in a_page.inner_text("#case-0 .notes")
    assert a_page.locator("article img[src='x']").count() == 0


def test_keys_decide_and_go_on(a_page: Page) -> None:
    a_page.keyboard.press("n")
    assert a_page.get_attribute("article[aria-current]", "id") == "case-0"
    a_page.keyboard.press("f")
    a_page.keyboard.press("p")
    decided = a_page.eval_on_selector_all("article", "all => all.map(one => one.dataset.decision)")
    assert decided == ["fail", "pass", "", "", ""]
    assert a_page.get_attribute("article[aria-current]", "id") == "case-2"
    a_page.keyboard.press("b")
    a_page.keyboard.press("u")
    assert a_page.get_attribute("#case-1", "data-decision") == ""
    assert "decided 1: 0 pass, 1 fail" in a_page.inner_text("#count")


def test_keys_are_letters_while_a_note_is_typed_and_can_be_turned_off(a_page: Page) -> None:
    a_page.keyboard.press("n")
    a_page.keyboard.press("e")
    a_page.keyboard.type("pfn")
    assert a_page.input_value("#case-0 .note input") == "pfn"
    assert a_page.get_attribute("#case-0", "data-decision") == ""
    a_page.keyboard.press("Escape")
    a_page.uncheck("#keys")
    a_page.focus("#case-0")
    a_page.keyboard.press("p")
    assert a_page.get_attribute("#case-0", "data-decision") == ""


def test_decisions_and_notes_are_there_when_the_page_is_opened_again(a_page: Page) -> None:
    a_page.click("#case-1 .pass")
    a_page.fill("#case-1 .note input", "looks right")
    a_page.reload()
    assert a_page.get_attribute("#case-1", "data-decision") == "pass"
    assert a_page.get_attribute("#case-1 .pass", "aria-pressed") == "true"
    assert a_page.input_value("#case-1 .note input") == "looks right"


def test_a_decision_on_a_result_that_changed_is_dropped_and_its_note_stays(
    a_context: BrowserContext, a_batch: Path
) -> None:
    page = a_context.new_page()
    page.goto(_made(a_batch).as_uri())
    page.click("#case-0 .pass")
    page.fill("#case-0 .note input", "see again")
    sidecar = a_batch / "case-bad" / "case.json"
    sidecar.write_text(sidecar.read_text().replace("It is bad.", "It is bad, otherwise."))
    page.goto(_made(a_batch).as_uri())
    page.reload()
    assert page.inner_text("#case-0 .reason") == "It is bad, otherwise."
    assert page.get_attribute("#case-0", "data-decision") == ""
    assert page.input_value("#case-0 .note input") == "see again"


def test_the_export_is_a_table_of_all_cases(a_page: Page, tmp_path: Path) -> None:
    a_page.click("#case-0 .fail")
    a_page.fill("#case-0 .note input", "=1+1\twrong side")
    with a_page.expect_download() as waiting:
        a_page.click("#export")
    waiting.value.save_as(tmp_path / "qc.tsv")
    lines = [line.split("\t") for line in (tmp_path / "qc.tsv").read_text(encoding="utf-8").splitlines()]
    assert lines[0] == ["name", "verdict", "decision", "note", "reason"]
    assert lines[1] == ["case-bad", "bad", "fail", "'=1+1 wrong side", "It is bad."]
    assert len(lines) == 6 and lines[5][2:4] == ["n/a", "n/a"]


def test_filters_and_order(a_page: Page) -> None:
    a_page.select_option("#by-level", "good")
    assert _names(a_page) == ["case-unsure", "case-good"]
    a_page.select_option("#by-level", "")
    a_page.click("#case-0 .pass")
    a_page.select_option("#by-decision", "open")
    assert "case-bad" not in _names(a_page)
    a_page.select_option("#by-decision", "")
    a_page.fill("#find", "unsure")
    assert _names(a_page) == ["case-unsure"]
    a_page.fill("#find", "nothing like it")
    assert a_page.is_visible("#none")
    a_page.fill("#find", "")
    a_page.select_option("#order", "name")
    assert _names(a_page)[0] == "case-bad" and _names(a_page)[-1] == "case-unsure"


def test_fixed_and_moving_flicker_until_it_is_stopped(a_page: Page) -> None:
    over = a_page.locator("#case-0 .flicker .over")
    a_page.wait_for_selector("main.swapped")
    assert over.is_visible()
    a_page.wait_for_selector("main:not(.swapped)")
    assert not over.is_visible()
    a_page.click("#flicker")
    before = over.is_visible()
    a_page.wait_for_timeout(900)
    assert over.is_visible() == before
    a_page.focus("#case-0")
    a_page.keyboard.press(" ")
    assert over.is_visible() != before


def test_flicker_waits_for_a_reader_who_asks_for_less_motion(a_page: Page) -> None:
    a_page.emulate_media(reduced_motion="reduce")
    a_page.reload()
    assert a_page.get_attribute("#flicker", "aria-pressed") == "false"


def test_the_slider_sets_the_squares_of_the_checkerboard(a_page: Page) -> None:
    canvas = "#case-0 .checkerboard canvas"
    a_page.wait_for_selector(canvas + "[data-side]")
    pixels = f"document.querySelector('{canvas}').toDataURL()"
    before = a_page.evaluate(pixels)
    a_page.focus("#case-0 .checkerboard input")
    a_page.keyboard.press("End")
    assert a_page.get_attribute(canvas, "data-side") == "132"
    assert a_page.evaluate(pixels) != before


def test_the_difference_between_headers_and_result_is_drawn(a_page: Page) -> None:
    a_page.wait_for_selector("#case-0 .difference canvas[data-drawn]")
    coloured = a_page.evaluate(
        "(() => { const c = document.querySelector('#case-0 .difference canvas');"
        "const d = c.getContext('2d').getImageData(0, 0, c.width, c.height).data; let n = 0;"
        "for (let i = 0; i < d.length; i += 4) if (Math.abs(d[i] - d[i + 2]) > 40) n++; return n; })()"
    )
    assert coloured > 500


def test_pictures_are_held_only_near_the_window(a_page: Page) -> None:
    assert a_page.locator("#case-2 .pictures *").count() == 0
    a_page.evaluate("document.querySelectorAll('article').forEach(one => one.style.minHeight = '3000px')")
    a_page.locator("#case-4").scroll_into_view_if_needed()
    a_page.wait_for_selector("#case-4 .stack")
    a_page.wait_for_selector("#case-0 .stack", state="detached")


def test_nothing_is_cut_off_on_a_narrow_screen(a_page: Page) -> None:
    a_page.set_viewport_size({"width": 400, "height": 800})
    assert a_page.evaluate("document.documentElement.scrollWidth") <= 400
