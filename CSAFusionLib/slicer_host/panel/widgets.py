"""What Slicer's parameter node leaves to be done on widgets: titles and tooltips of menus, items greyed out, labels."""

from __future__ import annotations

from collections.abc import Iterable
from typing import Any

import qt


def describe_items(menu: Any, described: Iterable[tuple[str, str]]) -> None:
    """Give each item of a menu that was filled from an enum its title and its tooltip, in the enum's order."""
    for index, (title, tooltip) in enumerate(described):
        menu.setItemText(index, title)
        menu.setItemData(index, tooltip, qt.Qt.ToolTipRole)


def enable_item(menu: Any, index: int, enabled: bool, tooltip: str) -> None:
    """Grey an item out, or let it be chosen, and say why."""
    menu.model().item(index).setEnabled(enabled)
    menu.setItemData(index, tooltip, qt.Qt.ToolTipRole)


def say(label: Any, text: str) -> None:
    """Show a text, or nothing, which then takes no room."""
    label.text = text
    label.visible = bool(text)
