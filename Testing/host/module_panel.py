"""The part of Slicer's window that a panel is seen through: a scroll area, narrow and low."""

from __future__ import annotations

from contextlib import contextmanager

import shiboken6

from Testing.host.pythonqt import QtCore, QtGui, QtWidgets, application
from Testing.host.widgets import ctkCollapsibleButton

VIEWPORTS = {"1024x768": (400, 483), "1280x800": (430, 515), "1580x1150": (500, 865)}
"""Width and height of the viewport for some sizes of Slicer's window, as seen in one with its usual tool bars."""


class _Column(QtWidgets.QVBoxLayout):
    """Heights that follow widths get lost on their way through Slicer's window, which gave a line of 32 pixels 24."""

    def hasHeightForWidth(self) -> bool:
        return False


class ModulePanel(QtWidgets.QScrollArea):
    """As qSlicerModulePanel: it scrolls up and down only, and is never narrower than what it holds.

    Args:
        panel: an open panel of the module.
        size: of the viewport.
    """

    def __init__(self, panel, size: tuple[int, int]) -> None:
        super().__init__()
        self._widget = panel.parent.layout().parentWidget()._qt
        self._ui = panel.ui
        self.setHorizontalScrollBarPolicy(QtCore.Qt.ScrollBarPolicy.ScrollBarAlwaysOff)
        self.setFrameShape(QtWidgets.QFrame.Shape.NoFrame)
        self.setWidgetResizable(True)
        contents = QtWidgets.QWidget()
        column = _Column(contents)
        help_button = ctkCollapsibleButton()
        help_button.setText("Help && Acknowledgement")
        help_button.collapsed = True
        column.addWidget(help_button)
        column.addWidget(self._widget, 1)
        self.setWidget(contents)
        self._size = size
        self.show()
        self.settle()

    def settle(self, size: tuple[int, int] | None = None) -> None:
        """Let layouts and what waits for the event loop come to rest, at another size where one is given."""
        self._size = width, height = size or self._size
        for _ in range(6):
            needed = self.widget().minimumSizeHint().width() + self.verticalScrollBar().sizeHint().width()
            self.resize(max(width, needed), height)
            application().processEvents()

    def close_panel(self) -> None:
        """Give the panel back, so that it outlives this window."""
        # Before the window goes, which would take it along; deleteLater would wait for an event loop that never runs.
        self._widget.setParent(None)
        shiboken6.delete(self)

    def is_in_view(self, name: str) -> bool:
        """Whether all of a widget of the panel can be seen without scrolling."""
        widget = getattr(self._ui, name)._qt
        return widget.visibleRegion().boundingRect() == widget.rect()

    def take_picture(self, path) -> QtGui.QImage:
        """Save what is in view."""
        self.settle()
        picture = self.grab().toImage()
        picture.save(str(path))
        return picture


@contextmanager
def text_scaled(factor: float):
    """Texts as large as a system with this scaling draws them."""
    app = application()
    before = app.font()
    larger = QtGui.QFont(before)
    larger.setPointSizeF(before.pointSizeF() * factor)
    app.setFont(larger)
    try:
        yield
    finally:
        app.setFont(before)
