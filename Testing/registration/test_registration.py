"""Tests of what a registration gives."""

from __future__ import annotations

import dataclasses

import pytest
import SimpleITK as sitk

from CSAFusionLib.registration.methods import Method
from CSAFusionLib.registration.registration import Registration


def test_a_result_cannot_be_changed_by_who_gets_it() -> None:
    result = Registration(sitk.Euler3DTransform(), Method.NONE, None, 0.1)
    with pytest.raises(dataclasses.FrozenInstanceError):
        result.seconds = 2.0  # type: ignore[misc]
