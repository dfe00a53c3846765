"""Make text from outside safe to show, and write JSON that follows the standard."""

from __future__ import annotations

import json
import math
from typing import Any


def printable(text: str) -> str:
    """Return a text with a question mark for every unprintable character, such as those of terminal commands."""
    return "".join(one if one.isprintable() else "?" for one in text)


def to_json(value: Any, *, indent: int | None = None) -> str:
    """Return plain values as JSON; a float that is not finite becomes null, wherever it stands."""
    return json.dumps(_finite(value), indent=indent, allow_nan=False)


def _finite(value: Any) -> Any:
    if isinstance(value, float):
        return value if math.isfinite(value) else None
    if isinstance(value, dict):
        return {key: _finite(entry) for key, entry in value.items()}
    if isinstance(value, (list, tuple)):
        return [_finite(entry) for entry in value]
    return value
