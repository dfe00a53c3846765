"""CSAFusionLib.cli.summary"""

from __future__ import annotations

from pathlib import Path

import pytest

from CSAFusionLib.cli.summary import describe_registration, print_fusion_summary, print_written

REGISTRATION = {"method": "SITK", "model": "RIGID", "seconds": 3.21, "metric": {"mi_before": 0.5, "mi_after": 0.75}}


def provenance() -> dict:
    return {
        "fixed": {"modality": "MR", "modality_is_guessed": True, "black": 0.0, "white": 812.5, "colour_table": None},
        "moving": {"modality": "PET", "modality_is_guessed": False, "black": 0.0, "white": 9.0, "colour_table": "ice"},
        "registration": REGISTRATION,
        "device": {"name": "cpu", "reason": "asked for"},
        "weights": {"name": "ct-mr", "sha256": "0123456789abcdef"},
        "warnings": ["Memory ran out."],
        "notice": "Research use only, not for diagnosis.",
    }


def test_the_summary_says_how_the_result_was_made(capsys: pytest.CaptureFixture[str]) -> None:
    print_fusion_summary(provenance())
    assert capsys.readouterr().out.splitlines() == [
        "Fixed        MR (guessed), 0 to 812.5 shown from black to white",
        "Moving       PET, 0 to 9 shown from black to white, in colour through ice",
        "Registration sitk, rigid, 3.2 s, mi before 0.500, mi after 0.750",
        "Device       cpu: asked for",
        "Weights      ct-mr (SHA-256 0123456789ab...)",
        "Warning      Memory ran out.",
        "Research use only, not for diagnosis.",
    ]


def test_pictures_have_no_registration_and_no_window(capsys: pytest.CaptureFixture[str]) -> None:
    pictures = provenance() | {"fixed": {"modality": "MR", "modality_is_guessed": True}}
    del pictures["registration"]
    print_fusion_summary(pictures)
    out = capsys.readouterr().out
    assert out.startswith("Fixed        MR (guessed)\n")
    assert "Registration" not in out


def test_without_a_registration_there_is_no_before() -> None:
    none = REGISTRATION | {"method": "NONE", "model": None}
    assert describe_registration(none) == "none, mi after 0.750"


def test_the_files_written_are_named(capsys: pytest.CaptureFixture[str]) -> None:
    print_written([Path("a.nii"), Path("b.png")])
    assert capsys.readouterr().out == "Wrote        a.nii, b.png\n"
