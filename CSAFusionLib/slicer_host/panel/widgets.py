"""Widgets beyond what Slicer's parameter node does: menus, wrapping labels, and scrolling parts into view."""

from __future__ import annotations

from collections.abc import Iterable
from typing import Any

import qt

_REST_MS = 50


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
    """Show a text; an empty one hides the label."""
    label.text = text
    label.visible = bool(text)
    fit(label)


def fit(label: Any) -> None:
    """Give a label that wraps the height its text needs at its width.

    Fixed, since form layouts remember the height of another width, and the window around the panel asks for none.
    """
    label.minimumHeight = 0  # Below its minimum a label asks for no height.
    label.setFixedHeight(max(0, label.heightForWidth(label.width)))


class Fitting(qt.QWidget):
    """Keeps labels that wrap high enough, however wide they become; an event filter, never shown."""

    def eventFilter(self, label: Any, event: Any) -> bool:  # noqa: N802 (Qt's name)
        """Fit a label whose size changes."""
        if event.type() == qt.QEvent.Resize:
            fit(label)
        return False


def wrapping_labels(ui: Any) -> list[Any]:
    """The labels of the panel whose text wraps."""
    return [widget for widget in vars(ui).values() if widget.className() == "QLabel" and widget.wordWrap]


class Scrolling:
    """Brings parts of the panel into view, once their layouts have come to rest."""

    def __init__(self) -> None:
        self._widgets: tuple[Any, ...] = ()
        self._timer = qt.QTimer()
        self._timer.setSingleShot(True)
        self._timer.setInterval(_REST_MS)
        self._timer.connect("timeout()", self._scroll)

    def bring(self, *widgets: Any) -> None:
        """Bring these into view as far as there is room; later ones take precedence."""
        self._widgets = widgets
        self._timer.start()

    def end(self) -> None:
        """Stop scrolling."""
        self._timer.stop()

    def _scroll(self) -> None:
        for widget in self._widgets:
            area = _scroll_area_of(widget)
            if area is not None and widget.visible:
                area.ensureWidgetVisible(widget, 0, 0)


def _scroll_area_of(widget: Any) -> Any:
    """The scroll area that a widget is in, or None."""
    area = widget.parent()
    while area is not None and not area.inherits("QScrollArea"):
        area = area.parent()
    return area


def number(value: float) -> str:
    """An intensity with four significant digits, and all digits before the point."""
    return f"{value:.0f}" if abs(value) >= 1000 else f"{value:.4g}"


def shortened(text: str, most: int) -> str:
    """The text cut to at most this many characters, with an ellipsis if it was longer."""
    return text if len(text) <= most else text[: most - 1].rstrip(" ,.") + "\N{HORIZONTAL ELLIPSIS}"
