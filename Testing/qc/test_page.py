"""The file of the page; what it does in a browser is tested in test_browser.py."""

from __future__ import annotations

import json
import re
from pathlib import Path

import pytest
from typer.testing import CliRunner

from CSAFusionLib.cli.main import app
from CSAFusionLib.errors import InputError
from CSAFusionLib.qc.page import check_page_path
from CSAFusionLib.qc.view import in_script


def _make(folder: Path, *options: str) -> str:
    result = CliRunner().invoke(app, ["qc", str(folder), *options])
    assert result.exit_code == 0, result.output
    assert "5: 1 bad, 1 doubtful, 1 failed, 2 good" in result.output
    assert "Research use only" in result.output
    return result.output


def test_the_command_writes_a_page_that_asks_nothing_of_a_network(a_batch: Path) -> None:
    _make(a_batch)
    page = (a_batch / "qc.html").read_text(encoding="utf-8")
    assert "default-src 'none'" in page
    assert "Research use only, not for diagnosis." in page
    assert not re.search(r"""(src|href)\s*=\s*["']?(https?:)?//""", page)
    assert page.count('id="pictures-') == 5
    assert "http://" not in page and "https://" not in page


def test_text_of_others_is_never_markup(a_batch: Path) -> None:
    _make(a_batch)
    page = (a_batch / "qc.html").read_text(encoding="utf-8")
    assert "<img src=x" not in page
    assert "\\u003cimg src=x" in page


def test_a_script_is_not_ended_by_what_it_holds() -> None:
    odd = {"a": "</script><!--", "b": "&amp; \u2028"}
    text = in_script(odd)
    assert not set("<>&") & set(text)
    assert json.loads(text) == odd


def test_what_cannot_be_read_is_told_in_its_row(a_batch: Path) -> None:
    (a_batch / "case-good" / "fused.nrrd").write_bytes(b"no volume")
    _make(a_batch)
    assert "There are no pictures: " in (a_batch / "qc.html").read_text(encoding="utf-8")


def test_a_page_is_made_again_but_a_strangers_file_stays(a_batch: Path, tmp_path: Path) -> None:
    _make(a_batch)
    _make(a_batch)
    other = tmp_path / "report.html"
    other.write_text("<p>mine</p>")
    with pytest.raises(InputError, match="is no page of csafusion qc"):
        check_page_path(other)
    with pytest.raises(InputError, match=r"end it in \.html"):
        check_page_path(tmp_path / "qc.pdf")
    assert other.read_text() == "<p>mine</p>"


def test_the_page_goes_where_it_is_asked_for(a_batch: Path, tmp_path: Path) -> None:
    _make(a_batch, "-o", str(tmp_path / "look.html"))
    assert (tmp_path / "look.html").exists() and not (a_batch / "qc.html").exists()
