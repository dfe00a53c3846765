"""Pictures of the panel, as a user sees it in a module panel that is as high as it needs to be."""

from __future__ import annotations

from pathlib import Path

from Testing.host.pythonqt import QtGui, QtWidgets, application

WIDTH = 460


def take_picture(panel, path: Path, *, section: str | None = None, dark: bool = False) -> QtGui.QImage:
    """Show the panel, in the light or the dark theme, and save what it looks like.

    Args:
        section: the name of the only section to save, as ``inputs``.
    """
    use_theme(dark)
    widget = panel.parent.layout().parentWidget()._qt
    widget.show()
    for _ in range(3):
        widget.resize(WIDTH, widget.layout().totalHeightForWidth(WIDTH))
        application().processEvents()
    pictured = widget if section is None else getattr(panel.ui, f"{section}CollapsibleButton")._qt
    picture = pictured.grab().toImage()
    picture.save(str(path))
    return picture


def cut_off(panel) -> list[str]:
    """The names of visible labels and buttons whose text does not fit into them."""
    widget = panel.parent.layout().parentWidget()._qt
    found = []
    for child in widget.findChildren(QtWidgets.QWidget):
        in_collapsed = child.property("hidden_by_collapse")
        if in_collapsed or not child.isVisible() or not isinstance(child, QtWidgets.QLabel | QtWidgets.QPushButton):
            continue
        needed = child.minimumSizeHint()
        wraps = isinstance(child, QtWidgets.QLabel) and child.wordWrap()
        height = child.heightForWidth(child.width()) if wraps else needed.height()
        if child.height() < height or (not wraps and child.width() < needed.width()):
            found.append(child.objectName())
    return found


def use_theme(dark: bool) -> None:
    """Colours like those of Slicer's light and dark styles."""
    app = application()
    app.setStyle("Fusion")
    palette = QtGui.QPalette()
    role = QtGui.QPalette.ColorRole
    window, base, text = ("#353535", "#2a2a2a", "#f0f0f0") if dark else ("#efefef", "#ffffff", "#101010")
    for roles, colour in (
        ((role.Window, role.Button, role.ToolTipBase), window),
        ((role.Base, role.AlternateBase), base),
        ((role.WindowText, role.Text, role.ButtonText, role.ToolTipText), text),
    ):
        for one in roles:
            palette.setColor(one, QtGui.QColor(colour))
    for one in (role.WindowText, role.Text, role.ButtonText):
        palette.setColor(QtGui.QPalette.ColorGroup.Disabled, one, QtGui.QColor("#8a8a8a"))
    app.setPalette(palette)
