"""SimpleITK, loaded on first use, because a fusion of 2-D pictures does not need it.

Modules that a fusion of pictures imports use ``from CSAFusionLib import lazy_simpleitk as sitk``.
"""

from __future__ import annotations

from typing import Any


def __getattr__(name: str) -> Any:
    """Return SimpleITK's attribute of this name (PEP 562)."""
    import SimpleITK

    return getattr(SimpleITK, name)
