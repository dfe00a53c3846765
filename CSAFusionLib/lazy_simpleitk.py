"""SimpleITK, loaded when something of it is first used, which in a fusion of pictures nothing is.

Import it as ``from CSAFusionLib import lazy_simpleitk as sitk`` where the way of a picture leads through.
"""

from __future__ import annotations

from typing import Any


def __getattr__(name: str) -> Any:
    """Give what SimpleITK has by this name (PEP 562)."""
    import SimpleITK

    return getattr(SimpleITK, name)
