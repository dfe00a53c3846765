"""Loggers below ``CSAFusionLib``: silent unless the application asks the standard ``logging`` to be heard.

No message holds a path, a name or anything else of the patient.
"""

from __future__ import annotations

import logging

# Here rather than in the package itself: importing ``logging`` takes longer than all else that the package imports.
logging.getLogger("CSAFusionLib").addHandler(logging.NullHandler())


def logger_of(module: str) -> logging.Logger:
    """Return the logger of a module of this package, by its ``__name__``."""
    return logging.getLogger(module)
