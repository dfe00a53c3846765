"""Stand-ins for the ``ctk`` and ``qMRML`` widgets that ``CSAFusion.ui`` uses: real Qt widgets with their properties,
signals and behaviour. Names and signatures are those of CTK's and Slicer's headers."""

from __future__ import annotations

import weakref

import slicer
import vtk

from Testing.host.pythonqt import QtCore, QtWidgets

Property, PySignal = QtCore.Property, QtCore.Signal


class ctkCollapsibleButton(QtWidgets.QAbstractButton):
    """A head that is clicked to show or hide the children below it; it is never narrower than its text, and some
    pixels of the contents stay in view when it is collapsed."""

    COLLAPSED_HEIGHT = 10
    CPP_SIGNALS = ("contentsCollapsed(bool)",)
    contentsCollapsed = PySignal(bool)

    def __init__(self, parent=None) -> None:
        super().__init__(parent)
        self._collapsed = self._forcing = False
        self.setCheckable(True)
        self.setChecked(True)
        self.setContentsMargins(0, self._head().height(), 0, 0)
        self.setSizePolicy(QtWidgets.QSizePolicy.Policy.Preferred, QtWidgets.QSizePolicy.Policy.Preferred)
        # Methods, not lambdas: one that holds its widget is freed at random later, after what it needs.
        self.toggled.connect(self._on_toggled)

    def _on_toggled(self, checked: bool) -> None:
        self._set_collapsed(not checked)

    def _head(self) -> QtCore.QSize:
        """The size of the head (buttonSizeHint in CTK)."""
        style, option = self.style(), QtWidgets.QStyleOptionButton()
        option.initFrom(self)
        metric = QtWidgets.QStyle.PixelMetric
        indicator = style.pixelMetric(metric.PM_IndicatorWidth) + style.pixelMetric(metric.PM_CheckBoxLabelSpacing)
        text = self.fontMetrics().size(0, self.text() or "XXXX")
        height = max(text.height(), style.pixelMetric(metric.PM_IndicatorHeight))
        contents = QtCore.QSize(indicator + text.width(), height)
        return style.sizeFromContents(QtWidgets.QStyle.ContentsType.CT_PushButton, option, contents, self)

    def _collapsed_size(self) -> QtCore.QSize:
        return self._head() + QtCore.QSize(0, self.COLLAPSED_HEIGHT)

    def sizeHint(self) -> QtCore.QSize:
        return self.layout().totalSizeHint().expandedTo(self._head()) if self._is_open() else self._collapsed_size()

    def minimumSizeHint(self) -> QtCore.QSize:
        return self.layout().totalMinimumSize().expandedTo(self._head()) if self._is_open() else self._collapsed_size()

    def hasHeightForWidth(self) -> bool:
        return self._is_open() and self.layout().hasHeightForWidth()

    def heightForWidth(self, width: int) -> int:
        return self.layout().totalHeightForWidth(width) if self.hasHeightForWidth() else -1

    def _is_open(self) -> bool:
        return self.layout() is not None and not self._collapsed

    def hitButton(self, position: QtCore.QPoint) -> bool:
        return position.y() < self._head().height()

    def changeEvent(self, event) -> None:
        super().changeEvent(event)
        if event.type() in (QtCore.QEvent.Type.FontChange, QtCore.QEvent.Type.StyleChange):
            self.setContentsMargins(0, self._head().height(), 0, 0)

    def paintEvent(self, event) -> None:
        painter = QtWidgets.QStylePainter(self)
        option = QtWidgets.QStyleOptionButton()
        option.initFrom(self)
        option.rect = QtCore.QRect(0, 0, self.width(), self._head().height())
        option.text = ""
        painter.drawControl(QtWidgets.QStyle.ControlElement.CE_PushButtonBevel, option)
        if self.hasFocus():
            painter.drawRect(option.rect.adjusted(2, 2, -3, -3))
        arrow = (
            "\N{BLACK RIGHT-POINTING SMALL TRIANGLE}" if self._collapsed else "\N{BLACK DOWN-POINTING SMALL TRIANGLE}"
        )
        painter.drawText(
            option.rect.adjusted(8, 0, 0, 0), int(QtCore.Qt.AlignmentFlag.AlignVCenter), f"{arrow}  {self.text()}"
        )

    def _set_collapsed(self, collapsed: bool) -> None:
        if collapsed == self._collapsed:
            return
        self._collapsed = collapsed
        self.setChecked(not collapsed)
        self._show_children()
        self.updateGeometry()
        self.contentsCollapsed.emit(collapsed)

    def childEvent(self, event) -> None:
        super().childEvent(event)
        if event.added() and event.child().isWidgetType():
            event.child().installEventFilter(self)

    def eventFilter(self, child, event) -> bool:
        """What somebody shows or hides while the contents are collapsed is so when they are opened."""
        if event.type() in (QtCore.QEvent.Type.ShowToParent, QtCore.QEvent.Type.HideToParent) and not self._forcing:
            child.setProperty("visibilityToParent", event.type() == QtCore.QEvent.Type.ShowToParent)
            if self._collapsed:
                self._show_child(child)
        return False

    def showEvent(self, event) -> None:
        if self._collapsed:
            self._show_children()

    def _show_children(self) -> None:
        """Hide the children or show them; what had been hidden on its own before stays so."""
        for child in self.findChildren(QtWidgets.QWidget, options=QtCore.Qt.FindChildOption.FindDirectChildrenOnly):
            self._show_child(child)

    def _show_child(self, child) -> None:
        self._forcing = True
        wanted = child.property("visibilityToParent") is not False
        child.setVisible(wanted and not self._collapsed)
        if wanted:
            # So that to hide it, though it is hidden, is not taken for nothing.
            child.setAttribute(QtCore.Qt.WidgetAttribute.WA_WState_ExplicitShowHide, False)
        self._forcing = False

    collapsed = Property(bool, lambda self: self._collapsed, _set_collapsed)


class ctkSliderWidget(QtWidgets.QWidget):
    """A slider and a spin box with one value."""

    CPP_SIGNALS = ("valueChanged(double)", "valueIsChanging(double)")
    STEPS = 1000
    valueChanged = PySignal(float)
    valueIsChanging = PySignal(float)

    def __init__(self, parent=None) -> None:
        super().__init__(parent)
        self._slider = QtWidgets.QSlider(QtCore.Qt.Orientation.Horizontal)
        self._slider.setRange(0, self.STEPS)
        self._box = QtWidgets.QDoubleSpinBox()
        self._box.setMaximum(99)
        layout = QtWidgets.QHBoxLayout(self)
        layout.setContentsMargins(0, 0, 0, 0)
        layout.addWidget(self._slider)
        layout.addWidget(self._box)
        self.setFocusProxy(self._slider)
        self._box.valueChanged.connect(self._follow)
        self._slider.sliderMoved.connect(self._on_slider_moved)

    def _on_slider_moved(self, step: int) -> None:
        self._box.setValue(self._at(step))

    def setRange(self, minimum: float, maximum: float) -> None:
        self._box.setRange(minimum, maximum)
        self._follow(self._box.value(), tell=False)

    def _at(self, step: int) -> float:
        return self._box.minimum() + (self._box.maximum() - self._box.minimum()) * step / self.STEPS

    def _follow(self, value: float, tell: bool = True) -> None:
        extent = self._box.maximum() - self._box.minimum()
        self._slider.setValue(round((value - self._box.minimum()) / extent * self.STEPS) if extent else 0)
        if tell:
            self.valueChanged.emit(value)

    value = Property(float, lambda self: self._box.value(), lambda self, value: self._box.setValue(value))
    minimum = Property(
        float, lambda self: self._box.minimum(), lambda self, value: self.setRange(value, self._box.maximum())
    )
    maximum = Property(
        float, lambda self: self._box.maximum(), lambda self, value: self.setRange(self._box.minimum(), value)
    )
    decimals = Property(int, lambda self: self._box.decimals(), lambda self, value: self._box.setDecimals(value))
    singleStep = Property(
        float, lambda self: self._box.singleStep(), lambda self, value: self._box.setSingleStep(value)
    )
    pageStep = Property(float, lambda self: 0.1, lambda self, value: None)
    suffix = Property(str, lambda self: self._box.suffix(), lambda self, text: self._box.setSuffix(text))
    spinBoxVisible = Property(
        bool, lambda self: not self._box.isHidden(), lambda self, visible: self._box.setVisible(visible)
    )
    tracking = Property(
        bool, lambda self: self._slider.hasTracking(), lambda self, tracks: self._slider.setTracking(tracks)
    )


class ctkPathLineEdit(QtWidgets.QWidget):
    """A line for a path, with a button that opens a file dialog."""

    CPP_SIGNALS = ("currentPathChanged(QString)", "validInputChanged(bool)")
    CPP_ENUMS = {"Dirs": 1, "Files": 2}
    currentPathChanged = PySignal(str)
    validInputChanged = PySignal(bool)

    def __init__(self, parent=None) -> None:
        super().__init__(parent)
        self._line = QtWidgets.QLineEdit()
        self._name_filters: list[str] = []
        self._filters = self.CPP_ENUMS["Dirs"] | self.CPP_ENUMS["Files"]
        layout = QtWidgets.QHBoxLayout(self)
        layout.setContentsMargins(0, 0, 0, 0)
        layout.addWidget(self._line)
        button = QtWidgets.QToolButton()
        button.setText("...")
        layout.addWidget(button)
        self.setFocusProxy(self._line)
        self._line.textChanged.connect(self.currentPathChanged)

    def _set_filters(self, filters: list[str]) -> None:
        self._name_filters = filters

    def _set_kinds(self, kinds: int) -> None:
        self._filters = kinds

    currentPath = Property(str, lambda self: self._line.text(), lambda self, path: self._line.setText(path))
    filters = Property(int, lambda self: self._filters, _set_kinds)
    nameFilters = Property("QStringList", lambda self: self._name_filters, _set_filters)
    showHistoryButton = Property(bool, lambda self: False, lambda self, shown: None)


class qMRMLWidget(QtWidgets.QWidget):
    """The top of a panel: it hands the scene on to the widgets connected to it."""

    CPP_SIGNALS = ("mrmlSceneChanged(vtkMRMLScene*)",)
    mrmlSceneChanged = PySignal(object)

    def setMRMLScene(self, scene) -> None:
        self.mrmlSceneChanged.emit(scene)


class qMRMLNodeComboBox(QtWidgets.QWidget):
    """Lists the scene's nodes of some classes; without a scene it is disabled and empty."""

    CPP_SIGNALS = ("currentNodeChanged(vtkMRMLNode*)", "currentNodeChanged(bool)", "nodeAddedByUser(vtkMRMLNode*)")
    currentNodeChanged = PySignal(object)
    nodeAddedByUser = PySignal(object)

    def __init__(self, parent=None) -> None:
        super().__init__(parent)
        self._scene = None
        self._tags: list[int] = []
        self._listed: list = []
        self._current = None
        self._filling = False
        self._values = {
            "nodeTypes": [],
            "hideChildNodeTypes": [],
            "showChildNodeTypes": True,
            "noneEnabled": False,
            "noneDisplay": "None",
            "addEnabled": True,
            "removeEnabled": True,
            "renameEnabled": False,
            "editEnabled": False,
            "selectNodeUponCreation": True,
            "baseName": "",
        }
        self._box = QtWidgets.QComboBox()
        self._box.setSizeAdjustPolicy(QtWidgets.QComboBox.SizeAdjustPolicy.AdjustToMinimumContentsLengthWithIcon)
        self._box.setMinimumContentsLength(12)
        layout = QtWidgets.QHBoxLayout(self)
        layout.setContentsMargins(0, 0, 0, 0)
        layout.addWidget(self._box)
        self.setFocusProxy(self._box)
        self._box.setEnabled(False)
        self._box.currentIndexChanged.connect(self._on_index)

    def setMRMLScene(self, scene) -> None:
        for tag in self._tags:
            self._scene.RemoveObserver(tag)
        self._scene = scene
        # In the order of qMRMLSceneModel: after what others do about a node that is to go.
        observed = (
            (slicer.vtkMRMLScene.NodeAddedEvent, _weakly(self._on_added), 10.0),
            (slicer.vtkMRMLScene.NodeAboutToBeRemovedEvent, _weakly(self._on_about_to_be_removed), -10.0),
            (slicer.vtkMRMLScene.EndCloseEvent, _weakly(self._on_scene_changed), 0.0),
            (slicer.vtkMRMLScene.EndImportEvent, _weakly(self._on_scene_changed), 0.0),
        )
        self._tags = (
            [scene.AddObserver(event, method, priority) for event, method, priority in observed] if scene else []
        )
        self._box.setEnabled(scene is not None)
        self._fill()

    def _on_added(self, scene, event, node) -> None:
        """A node is judged when it is added; to hide it later goes unnoticed."""
        if self._is_offered(node):
            self._filling = True
            self._listed.append(node)
            self._box.addItem(node.GetName() or "")
            self._filling = False
            self._select(self._current)

    def _on_about_to_be_removed(self, scene, event, node) -> None:
        """A combo box whose current row goes takes the one that moves up into its place, also where there is a None."""
        if scene.IsClosing() or node not in self._listed:
            return
        row = self._listed.index(node)
        self._filling = True
        self._listed.remove(node)
        self._box.removeItem(row + (1 if self._values["noneEnabled"] else 0))
        self._filling = False
        if node is self._current:
            self._select(self._listed[min(row, len(self._listed) - 1)] if self._listed else None)

    def _on_scene_changed(self, scene, event, nothing) -> None:
        self._fill()

    def mrmlScene(self):
        return self._scene

    def currentNode(self):
        return self._current

    def setCurrentNode(self, node) -> None:
        if node is not None and node not in self._listed:
            node = None
        self._select(node)

    def nodeCount(self) -> int:
        return len(self._listed)

    def _select(self, node) -> None:
        if node is None and not self._values["noneEnabled"] and self._listed:
            node = self._listed[0]
        changed = node is not self._current
        self._current = node
        self._show_current()
        if changed:
            self.currentNodeChanged.emit(node)

    def _show_current(self) -> None:
        self._filling = True
        first = 1 if self._values["noneEnabled"] else 0
        self._box.setCurrentIndex(self._listed.index(self._current) + first if self._current is not None else first - 1)
        self._filling = False

    def _on_index(self, index: int) -> None:
        if not self._filling:
            first = 1 if self._values["noneEnabled"] else 0
            self._select(self._listed[index - first] if index >= first else None)

    def _fill(self) -> None:
        self._filling = True
        self._listed = [node for node in self._nodes() if self._is_offered(node)]
        self._box.clear()
        if self._values["noneEnabled"]:
            self._box.addItem(self._values["noneDisplay"])
        self._box.addItems([node.GetName() or "" for node in self._listed])
        self._filling = False
        self._select(self._current if self._current in self._listed else None)

    def _nodes(self) -> list:
        scene = self._scene
        return [scene.GetNthNode(index) for index in range(scene.GetNumberOfNodes())] if scene else []

    def _is_offered(self, node) -> bool:
        if node.GetHideFromEditors() or any(node.IsA(kind) for kind in self._values["hideChildNodeTypes"]):
            return False
        if self._values["showChildNodeTypes"]:
            return any(node.IsA(kind) for kind in self._values["nodeTypes"])
        return node.GetClassName() in self._values["nodeTypes"]

    def _set(self, name: str, value) -> None:
        if value != self._values[name]:
            self._values[name] = value
            self._fill()

    for _name, _type in (
        ("nodeTypes", "QStringList"),
        ("hideChildNodeTypes", "QStringList"),
        ("showChildNodeTypes", bool),
        ("noneEnabled", bool),
        ("noneDisplay", str),
        ("addEnabled", bool),
        ("removeEnabled", bool),
        ("renameEnabled", bool),
        ("editEnabled", bool),
        ("selectNodeUponCreation", bool),
        ("baseName", str),
    ):
        locals()[_name] = Property(
            _type,
            lambda self, name=_name: self._values[name],
            lambda self, value, name=_name: self._set(name, value),
        )
    del _name, _type


def _weakly(method):
    """An observer that does not keep its widget, and does nothing once that is gone."""
    reference = weakref.WeakMethod(method)

    @vtk.calldata_type(vtk.VTK_OBJECT)
    def call(caller, event, node=None) -> None:
        alive = reference()
        if alive is not None:
            alive(caller, event, node)

    return call


STAND_INS = {
    kind.__name__: kind
    for kind in (ctkCollapsibleButton, ctkSliderWidget, ctkPathLineEdit, qMRMLWidget, qMRMLNodeComboBox)
}
