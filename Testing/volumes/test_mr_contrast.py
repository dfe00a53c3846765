"""CSAFusionLib/volumes/acquisition.py."""

from __future__ import annotations

import pytest

from CSAFusionLib.volumes.acquisition import contrast_of_names, contrast_of_times


@pytest.mark.parametrize(
    ("name", "contrast"),
    [
        ("T1w", "T1"),
        ("t1_mprage_sag_p2_iso", "T1"),
        ("Ax T2 FLAIR", "FLAIR"),
        ("Sag T1 FLAIR", "T1"),
        ("Ax T1 FLAIR +C", "contrast-enhanced T1"),
        ("t2_tse_restore_tra", "T2"),
        ("T1_SPACE_restore", "T1"),
        ("resting state", "BOLD"),
        ("restingState_run1", "BOLD"),
        ("task-rest", "BOLD"),
        ("t2_tirm_tra_dark-fluid", "FLAIR"),
        ("AX DWI b1000", "DWI"),
        ("ep2d_diff_ADC", "DWI"),
        ("Ax T1 +C", "contrast-enhanced T1"),
        ("T1 post GAD", "contrast-enhanced T1"),
        ("patient_t1ce", "contrast-enhanced T1"),
        ("T2star", "T2*"),
        ("Ax PD FSE", "PD"),
        ("T2W_TSE", "T2"),
        ("localizer", ""),
        ("study12", ""),
    ],
)
def test_the_contrast_is_read_from_what_people_call_a_series(name: str, contrast: str) -> None:
    assert contrast_of_names([name]) == contrast


def test_an_agent_makes_a_t1_a_contrast_enhanced_one_and_leaves_a_t2_alone() -> None:
    assert contrast_of_names(["T1 SE"], agent=True) == "contrast-enhanced T1"
    assert contrast_of_names(["T2 TSE"], agent=True) == "T2"


def test_times_tell_spin_echoes_and_leave_the_rest_open() -> None:
    assert contrast_of_times(12, 550) == "T1"
    assert contrast_of_times(95, 4000) == "T2"
    assert contrast_of_times(120, 9000, 2500) == "FLAIR"
    assert contrast_of_times(2.5, 2300, 900) == ""
    assert contrast_of_times(None, 500) == ""
