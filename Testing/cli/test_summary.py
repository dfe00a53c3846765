"""CSAFusionLib.cli.summary"""

from __future__ import annotations

from pathlib import Path

import pytest

from CSAFusionLib.cli.summary import (
    list_metrics,
    print_fusion_summary,
    print_registration,
    print_warnings,
    print_written,
)

REGISTRATION = {
    "method": "SITK",
    "model": "RIGID",
    "seconds": 3.21,
    "metric": {"mutual_information_before": 0.5, "mutual_information_after": 0.75, "shift_mm": 3.0},
    "verdict": {"level": "good", "reason": "No better alignment was found."},
}


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
        "Registration sitk, rigid, 3.2 s, quality: good (No better alignment was found)",
        "Metrics      mutual information 0.50 to 0.75",
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


def test_a_registration_by_the_headers_has_no_model_and_no_time(capsys: pytest.CaptureFixture[str]) -> None:
    print_registration(REGISTRATION | {"method": "NONE", "model": None, "verdict": None, "metric": {}})
    assert capsys.readouterr().out == "Registration none\n"


def test_a_figure_that_did_not_change_is_given_once() -> None:
    assert list_metrics({"overlap_before": 0.801, "overlap_after": 0.8, "peak": 0.4}) == "overlap 0.80"


def test_every_warning_has_its_line(capsys: pytest.CaptureFixture[str]) -> None:
    print_warnings(["It is tilted.", "It is black."])
    assert capsys.readouterr().out == "Warning      It is tilted.\nWarning      It is black.\n"


def test_the_files_written_are_named(capsys: pytest.CaptureFixture[str]) -> None:
    print_written([Path("a.nii"), Path("b.png")])
    assert capsys.readouterr().out == "Wrote        a.nii, b.png\n"
