"""Loggers below ``CSAFusionLib``, silent unless the application listens, and ITK's own warnings, kept quiet.

No message holds a path, a name or anything else of the patient.
"""

from __future__ import annotations

import logging
from collections.abc import Iterator
from contextlib import contextmanager

# Here rather than in the package itself: importing ``logging`` takes longer than all else that the package imports.
logging.getLogger("CSAFusionLib").addHandler(logging.NullHandler())


def logger_of(module: str) -> logging.Logger:
    """Return the logger of a module of this package, by its ``__name__``."""
    return logging.getLogger(module)


@contextmanager
def itk_warnings_off() -> Iterator[None]:
    """Silence ITK's warnings inside the block, and leave the setting as it was found."""
    import SimpleITK as sitk

    before = sitk.ProcessObject.GetGlobalWarningDisplay()
    sitk.ProcessObject.SetGlobalWarningDisplay(False)
    try:
        yield
    finally:
        sitk.ProcessObject.SetGlobalWarningDisplay(before)
