"""CSAFusionLib/volumes/quiet.py."""

from __future__ import annotations

import pytest
import SimpleITK as sitk

from CSAFusionLib.logs import itk_warnings_off


@pytest.mark.parametrize("before", [True, False])
def test_warnings_are_off_inside_and_as_before_afterwards_even_after_an_error(before: bool) -> None:
    found = sitk.ProcessObject.GetGlobalWarningDisplay()
    sitk.ProcessObject.SetGlobalWarningDisplay(before)
    try:
        with pytest.raises(KeyError), itk_warnings_off():
            assert not sitk.ProcessObject.GetGlobalWarningDisplay()
            raise KeyError
        assert sitk.ProcessObject.GetGlobalWarningDisplay() == before
    finally:
        sitk.ProcessObject.SetGlobalWarningDisplay(found)
