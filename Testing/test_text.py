"""Tests of text that others wrote."""

from __future__ import annotations

from CSAFusionLib.text import printable


def test_a_name_that_commands_a_terminal_is_only_a_name() -> None:
    assert printable("head\x1b]0;owned\x07\r\n\u202eß.nii") == "head?]0;owned????ß.nii"
    assert printable("/data/Größe 1/T1.nii.gz") == "/data/Größe 1/T1.nii.gz"
