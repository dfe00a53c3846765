"""Data that a script of a page reads from the page itself."""

from __future__ import annotations

import json
from typing import Any


def in_script(value: Any) -> str:
    """JSON that ends no script element, whatever texts it holds."""
    return json.dumps(value, allow_nan=False).replace("<", "\\u003c").replace(">", "\\u003e").replace("&", "\\u0026")
