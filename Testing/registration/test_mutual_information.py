"""Tests of one level of the search."""

from __future__ import annotations

import numpy as np
import pytest
import SimpleITK as sitk

from CSAFusionLib.errors import Cancelled, RegistrationError
from CSAFusionLib.registration.mutual_information import maximise


def _search(fixed: sitk.Image, moving: sitk.Image, transform: sitk.Transform, on_iteration=lambda: None) -> None:
    maximise(fixed, moving, transform, step_mm=2.0, samples=20_000, seed=0, threads=1, on_iteration=on_iteration)


def test_a_shift_is_found_between_two_contrasts(a_head, moved) -> None:
    moving = moved(a_head("T2"), sitk.TranslationTransform(3, (5.0, -4.0, 3.0)))
    found = sitk.Euler3DTransform()
    _search(a_head("T1"), moving, found)
    np.testing.assert_allclose(found.TransformPoint((10.0, 20.0, 0.0)), (15.0, 16.0, 3.0), atol=0.5)


def test_what_the_callback_raises_stops_the_search_and_comes_out(a_head) -> None:
    calls = []

    def cancel() -> None:
        calls.append(None)
        raise Cancelled

    moved_far = sitk.Euler3DTransform((0.0, 0.0, 0.0), 0.1, 0.1, 0.1, (12.0, 9.0, 5.0))
    with pytest.raises(Cancelled):
        _search(a_head("T1"), a_head("T2"), moved_far, cancel)
    assert len(calls) == 1


def test_a_search_outside_the_moving_image_says_so(a_head) -> None:
    elsewhere = sitk.Euler3DTransform((0.0, 0.0, 0.0), 0.0, 0.0, 0.0, (5000.0, 0.0, 0.0))
    with pytest.raises(RegistrationError, match="left the moving volume"):
        _search(a_head("T1"), a_head("T2"), elsewhere)
