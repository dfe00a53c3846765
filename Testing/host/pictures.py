"""Pictures of the panel, as a user sees it in a module panel that is as high as it needs to be."""

from __future__ import annotations

from pathlib import Path

from Testing.host.pythonqt import QtCore, QtGui, QtWidgets, application
from Testing.host.widgets import ctkCollapsibleButton, qMRMLNodeComboBox

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


_TEXTS = QtWidgets.QLabel | QtWidgets.QAbstractButton | QtWidgets.QComboBox | QtWidgets.QAbstractSpinBox


def cut_off(panel) -> list[str]:
    """The names of visible labels, buttons, menus and numbers whose text does not fit into them.

    A node's name may be longer than any menu: those of nodes are left out.
    """
    widget = panel.parent.layout().parentWidget()._qt
    shown = [child for child in widget.findChildren(QtWidgets.QWidget) if child.isVisible()]
    return [child.objectName() for child in shown if _is_ours(child) and not _fits(child)]


def _is_ours(child: QtWidgets.QWidget) -> bool:
    return isinstance(child, _TEXTS) and not isinstance(child.parent(), qMRMLNodeComboBox)


def _fits(child: QtWidgets.QWidget) -> bool:
    if isinstance(child, ctkCollapsibleButton):
        needed = child.minimumSizeHint()
    elif isinstance(child, QtWidgets.QComboBox):
        # Menus may be narrower than their longest item, but not than the one that is shown.
        needed = child.minimumSizeHint()
        beside = child.width() - _field_of(child).width()
        needed.setWidth(child.fontMetrics().horizontalAdvance(child.currentText()) + beside)
    elif isinstance(child, QtWidgets.QLabel) and child.wordWrap():
        needed = QtCore.QSize(0, child.heightForWidth(child.width()))
    else:
        needed = child.minimumSizeHint()
    return child.height() >= needed.height() and child.width() >= needed.width()


def _field_of(menu: QtWidgets.QComboBox) -> QtCore.QRect:
    option = QtWidgets.QStyleOptionComboBox()
    menu.initStyleOption(option)
    control, field = QtWidgets.QStyle.ComplexControl.CC_ComboBox, QtWidgets.QStyle.SubControl.SC_ComboBoxEditField
    return menu.style().subControlRect(control, option, field, menu)


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
