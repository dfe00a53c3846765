"""Keep ITK's own warnings off the terminal where this package says the same in one sentence of its own."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager

import SimpleITK as sitk


@contextmanager
def itk_warnings_off() -> Iterator[None]:
    """Silence ITK's warnings inside the block, and leave the setting as it was found."""
    before = sitk.ProcessObject.GetGlobalWarningDisplay()
    sitk.ProcessObject.SetGlobalWarningDisplay(False)
    try:
        yield
    finally:
        sitk.ProcessObject.SetGlobalWarningDisplay(before)
