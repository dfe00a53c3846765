"""How a result was made, as attributes of its node: saved with the scene, and read back from it."""

from __future__ import annotations

import json
from typing import Any

import slicer

PREFIX = "CSAFusion."
# Kept whole, so that a run can be repeated from it.
_WHOLE = "settings"


def write_provenance(node: slicer.vtkMRMLNode, provenance: dict[str, Any]) -> None:
    """Keep plain JSON values as attributes, one for each item; those of an earlier result are removed."""
    for old in _names(node):
        node.RemoveAttribute(old)
    for key, value in provenance.items():
        is_group = isinstance(value, dict) and key != _WHOLE
        parts = {f"{key}.{name}": part for name, part in value.items()} if is_group else {key: value}
        for name, part in parts.items():
            node.SetAttribute(PREFIX + name, part if _reads_as_text(part) else json.dumps(part))


def provenance_of(node: slicer.vtkMRMLNode) -> dict[str, Any]:
    """What :func:`write_provenance` has kept; empty for a node that is no result."""
    found: dict[str, Any] = {}
    for name in _names(node):
        group, _, item = name.removeprefix(PREFIX).partition(".")
        value = _parsed(node.GetAttribute(name))
        if item:
            found.setdefault(group, {})[item] = value
        else:
            found[group] = value
    return found


def is_result(node: slicer.vtkMRMLNode) -> bool:
    """Whether a node is a result that :func:`write_provenance` has marked."""
    return bool(_names(node))


def _names(node: slicer.vtkMRMLNode) -> list[str]:
    return [name for name in node.GetAttributeNames() if name.startswith(PREFIX)]


def _reads_as_text(part: Any) -> bool:
    """Whether it is a text that cannot be taken for anything else, as most are; it is then kept as it is."""
    return isinstance(part, str) and _parsed(part) == part and not part.startswith('"')


def _parsed(text: str) -> Any:
    try:
        return json.loads(text)
    except json.JSONDecodeError:
        return text
