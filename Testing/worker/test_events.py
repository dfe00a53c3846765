"""Every event of the child is one line, whatever it says."""

from __future__ import annotations

import json

import pytest

from CSAFusionLib.worker.events import error_line, progress_line, result_line


@pytest.mark.parametrize("line", [progress_line("a\nstage", 1, 2), error_line("'Größe'\nis \"wrong\""), result_line()])
def test_an_event_is_one_line_of_json_that_any_console_can_write(line):
    assert "\n" not in line and line.isascii()
    assert "event" in json.loads(line)
