"""Loggers under ``CSAFusionLib``, silent unless the application configures them, and a switch for ITK's warnings.

No message contains a path, a name or other patient data.
"""

from __future__ import annotations

import logging
from collections.abc import Iterator
from contextlib import contextmanager

# Here rather than in the package itself: importing ``logging`` takes longer than all other imports of the package.
logging.getLogger("CSAFusionLib").addHandler(logging.NullHandler())


def logger_of(module: str) -> logging.Logger:
    """Return the logger of a module of this package, by its ``__name__``."""
    return logging.getLogger(module)


@contextmanager
def itk_warnings_off() -> Iterator[None]:
    """Silence ITK's warnings inside the block, and restore the setting afterwards."""
    import SimpleITK as sitk

    before = sitk.ProcessObject.GetGlobalWarningDisplay()
    sitk.ProcessObject.SetGlobalWarningDisplay(False)
    try:
        yield
    finally:
        sitk.ProcessObject.SetGlobalWarningDisplay(before)
