"""Tests of the figures that judge an alignment."""

from __future__ import annotations

import numpy as np
import pytest
import SimpleITK as sitk

from CSAFusionLib.registration.quality.agreement import Comparison, agreement, mutual_information


def test_a_two_valued_signal_knows_ln_2_about_itself() -> None:
    signal = np.array([0.0, 1.0] * 500)
    assert mutual_information(signal, -signal) == pytest.approx(np.log(2))


def test_independent_signals_share_nothing() -> None:
    first, second = np.meshgrid(np.arange(32.0), np.arange(32.0))
    assert mutual_information(first.ravel(), second.ravel()) == pytest.approx(0, abs=1e-12)


def test_no_samples_share_nothing() -> None:
    assert mutual_information(np.empty(0), np.empty(0)) == 0


def test_undoing_a_motion_raises_mutual_information(a_pair, a_rigid_motion) -> None:
    fixed, moving = a_pair
    figures = Comparison(fixed.image, moving.image)(a_rigid_motion)
    assert figures["mutual_information_after"] > 1.2 * figures["mutual_information_before"]


def test_overlap_is_the_share_of_the_fixed_volume(a_head) -> None:
    fixed = a_head()
    half = fixed[:, :, :30]
    figures = Comparison(fixed, half)(sitk.Euler3DTransform())
    assert figures["overlap_after"] == pytest.approx(0.5, abs=0.02)


def test_a_matching_sliver_ranks_below_a_whole_match(a_head) -> None:
    head = a_head()
    away = sitk.TranslationTransform(3, (0.0, 0.0, 170.0))
    assert agreement(head, head, away) < agreement(head, head, sitk.TranslationTransform(3, (5.0, 0.0, 0.0)))


def test_another_contrast_correlates_with_what_it_predicts(a_pair, a_rigid_motion) -> None:
    fixed, moving = a_pair
    figures = Comparison(fixed.image, moving.image)(a_rigid_motion)
    for name in ("correlation", "ssim"):
        assert figures[f"{name}_before"] < figures[f"{name}_after"] <= 1
    assert figures["correlation_after"] > 0.95


def test_an_image_is_wholly_like_itself_and_apart_like_nothing(a_head) -> None:
    head = a_head()
    same = Comparison(head, head)(sitk.TranslationTransform(3, (900.0, 0.0, 0.0)))
    assert same["ssim_before"] > 0.97 and same["correlation_before"] > 0.99
    assert same["ssim_after"] == same["correlation_after"] == 0
