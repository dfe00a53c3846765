"""CSAFusion in 3D Slicer: the module, its parameters, its panel, its logic and its test.

What is computed and what is done to nodes is in the package CSAFusionLib; here it meets the user.
"""

import logging
import sys
from pathlib import Path
from typing import Annotated

import qt
import slicer
import vtk
from slicer import vtkMRMLScalarVolumeNode, vtkMRMLTransformNode
from slicer.i18n import tr as _
from slicer.i18n import translate
from slicer.parameterNodeWrapper import Choice, parameterNodeWrapper
from slicer.ScriptedLoadableModule import (
    ScriptedLoadableModule,
    ScriptedLoadableModuleLogic,
    ScriptedLoadableModuleTest,
    ScriptedLoadableModuleWidget,
)
from slicer.util import VTKObservationMixin

# Installed, the package lies beside this file; run from the sources, it lies one folder up.
_SOURCES = Path(__file__).resolve().parent.parent
if (_SOURCES / "CSAFusionLib").is_dir() and str(_SOURCES) not in sys.path:
    sys.path.append(str(_SOURCES))

from CSAFusionLib.intensity.colour_tables import COLOUR_TABLES  # noqa: E402
from CSAFusionLib.registration.methods import MenuChoice, Method, TransformModel  # noqa: E402

GREY = "grey"
POLL_INTERVAL_MS = 100


class CSAFusion(ScriptedLoadableModule):
    """What Slicer shows of the module before it is opened."""

    def __init__(self, parent):
        super().__init__(parent)
        self.parent.title = _("CSAFusion")
        self.parent.categories = [translate("qSlicerAbstractCoreModule", "Registration")]
        self.parent.dependencies = []
        self.parent.contributors = ["CSAFusion developers"]
        self.parent.helpText = _(
            "Fuses two volumes of one patient (CT and MR, PET or SPECT and MR, T1 and T2) into one, slice by slice, "
            "with a neural network, after aligning them. Research use only, not for diagnosis. "
            'See the <a href="https://github.com/CSAFusion/SlicerCSAFusion">documentation</a>.'
        )
        self.parent.acknowledgementText = ""


class ModalityChoice(MenuChoice):
    """What kind of image a volume is, or that it is guessed; the names are those of the backend's modalities."""

    AUTOMATIC = (_("Automatic"), _("Guessed from the DICOM header or from the values of the voxels."))
    CT = (_("CT"), _("Computed tomography, in Hounsfield units."))
    MR = (_("MR"), _("Magnetic resonance, of any weighting."))
    PET = (_("PET"), _("Positron emission tomography, in any unit that starts at zero."))
    SPECT = (_("SPECT"), _("Single photon emission tomography, in any unit that starts at zero."))


class DeviceChoice(MenuChoice):
    """What computes the fusion; the names, in small letters, are those of the backend's devices."""

    AUTO = (_("Automatic"), _("A graphics card that works, otherwise the processor."))
    CPU = (_("CPU"), _("The processor: slower, and always there."))
    CUDA = (_("GPU (CUDA)"), _("An NVIDIA graphics card."))
    MPS = (_("GPU (Apple)"), _("The graphics of an Apple computer."))


@parameterNodeWrapper
class CSAFusionParameterNode:
    """Everything chosen in the panel; saved with the scene."""

    fixedVolume: vtkMRMLScalarVolumeNode
    movingVolume: vtkMRMLScalarVolumeNode
    fixedModality: ModalityChoice = ModalityChoice.AUTOMATIC
    movingModality: ModalityChoice = ModalityChoice.AUTOMATIC
    method: Method = Method.SITK
    transformModel: TransformModel = TransformModel.RIGID
    colourTable: Annotated[str, Choice([GREY, *COLOUR_TABLES])] = GREY
    device: DeviceChoice = DeviceChoice.AUTO
    fusedVolume: vtkMRMLScalarVolumeNode
    transform: vtkMRMLTransformNode


class CSAFusionWidget(ScriptedLoadableModuleWidget, VTKObservationMixin):
    """The panel: wires the widgets to the parameter node and to the logic."""

    def __init__(self, parent=None):
        ScriptedLoadableModuleWidget.__init__(self, parent)
        VTKObservationMixin.__init__(self)
        self.logic = None
        self._parameterNode = None
        self._parameterNodeGuiTag = None

    def setup(self):
        """Called when the module is first opened."""
        ScriptedLoadableModuleWidget.setup(self)
        uiWidget = slicer.util.loadUI(self.resourcePath("UI/CSAFusion.ui"))
        self.layout.addWidget(uiWidget)
        self.ui = slicer.util.childWidgetVariables(uiWidget)
        uiWidget.setMRMLScene(slicer.mrmlScene)
        self.logic = CSAFusionLogic()

        self.addObserver(slicer.mrmlScene, slicer.mrmlScene.StartCloseEvent, self.onSceneStartClose)
        self.addObserver(slicer.mrmlScene, slicer.mrmlScene.EndCloseEvent, self.onSceneEndClose)
        self.ui.applyButton.connect("clicked(bool)", self.onApplyButton)
        self.ui.cancelButton.connect("clicked(bool)", self.onCancelButton)
        self.initializeParameterNode()

    def cleanup(self):
        """Called when the application closes and the panel is destroyed."""
        if self.logic:
            self.logic.cancel()
        self.setParameterNode(None)
        self.removeObservers()

    def enter(self):
        """Called each time the module is opened."""
        self.initializeParameterNode()

    def exit(self):
        """Called each time another module is opened; what runs goes on."""
        self.setParameterNode(None)

    def onReload(self):
        """Developer reload: Slicer executes this file again, the package it must be made to forget."""
        self.logic.cancel()
        for name in [name for name in sys.modules if name.split(".")[0] == "CSAFusionLib"]:
            del sys.modules[name]
        super().onReload()

    def onSceneStartClose(self, caller, event):
        """Called just before the scene is closed."""
        self.logic.cancel()
        self.setParameterNode(None)

    def onSceneEndClose(self, caller, event):
        """Called just after the scene was closed."""
        if self.parent.isEntered:
            self.initializeParameterNode()

    def initializeParameterNode(self):
        """Show the scene's parameter node, with volumes chosen where that takes no guess."""
        parameterNode = self.logic.getParameterNode()
        if parameterNode.fixedVolume is None and parameterNode.movingVolume is None:
            volumes = list(slicer.util.getNodesByClass("vtkMRMLScalarVolumeNode"))
            if len(volumes) == 2:
                parameterNode.fixedVolume, parameterNode.movingVolume = volumes
        self.setParameterNode(parameterNode)

    def setParameterNode(self, parameterNode):
        """Show a parameter node, or none."""
        if self._parameterNode:
            self._parameterNode.disconnectGui(self._parameterNodeGuiTag)
            self.removeObserver(self._parameterNode, vtk.vtkCommand.ModifiedEvent, self._checkCanApply)
        self._parameterNode = parameterNode
        if self._parameterNode:
            self._parameterNodeGuiTag = self._parameterNode.connectGui(self.ui)
            self._describeChoices()
            self.addObserver(self._parameterNode, vtk.vtkCommand.ModifiedEvent, self._checkCanApply)
            self._checkCanApply()

    def onApplyButton(self, checked=False):
        """Start the fusion, after what is missing for it was installed."""
        from CSAFusionLib.errors import CSAFusionError

        chosen = self._parameterNode
        with slicer.util.tryWithErrorDisplay(_("The fusion could not be started.")):
            try:
                self.logic.start(
                    chosen.fixedVolume,
                    chosen.movingVolume,
                    self.logic.settingsFrom(chosen),
                    chosen.fusedVolume,
                    chosen.transform,
                    onEvent=self.onEvent,
                )
            except CSAFusionError as error:
                self._showStatus(str(error))
                return
        self._showStatus(_("Starting..."))
        self._showProgress(0, 0)
        self._checkCanApply()

    def onCancelButton(self, checked=False):
        """Stop the fusion; the panel is ready again with the event that says that it has ended."""
        self._showStatus(_("Cancelling..."))
        self.logic.cancel()

    def onEvent(self, event):
        """Show what the running fusion tells."""
        from CSAFusionLib.slicer_host.job import ErrorEvent, FusedEvent, ProgressEvent

        if isinstance(event, ProgressEvent):
            self._showStatus(_("Running: {stage}").format(stage=event.stage))
            self._showProgress(event.done, event.total)
            return
        if isinstance(event, FusedEvent):
            warnings = " ".join(event.warnings)
            self._showStatus(_("Done: '{name}'. {warnings}").format(name=event.node.GetName(), warnings=warnings))
            slicer.util.setSliceViewerLayers(background=event.node, fit=True)
        elif isinstance(event, ErrorEvent):
            self._showStatus(event.message)
        else:
            self._showStatus(_("Cancelled."))
        self.ui.progressBar.visible = False
        self._checkCanApply()

    def _checkCanApply(self, caller=None, event=None):
        if self._parameterNode is None:
            return
        missing = self.logic.whyNot(self._parameterNode)
        self.ui.applyButton.enabled = not missing
        self.ui.applyButton.toolTip = missing or _("Align the moving volume to the fixed one and fuse the two.")
        self.ui.cancelButton.enabled = self.logic.isRunning
        self.ui.transformModelComboBox.enabled = bool(self._parameterNode.method.models)

    def _describeChoices(self):
        """Titles and tooltips for the menus, which connectGui fills with the names of the choices."""
        for comboBox, choices in (
            (self.ui.fixedModalityComboBox, ModalityChoice),
            (self.ui.movingModalityComboBox, ModalityChoice),
            (self.ui.methodComboBox, Method),
            (self.ui.transformModelComboBox, TransformModel),
            (self.ui.deviceComboBox, DeviceChoice),
        ):
            for index, choice in enumerate(choices):
                comboBox.setItemText(index, _(choice.title))
                comboBox.setItemData(index, _(choice.tooltip), qt.Qt.ToolTipRole)

    def _showStatus(self, text):
        self.ui.statusLabel.text = text

    def _showProgress(self, done, total):
        self.ui.progressBar.visible = True
        self.ui.progressBar.maximum = total
        self.ui.progressBar.value = done


class CSAFusionLogic(ScriptedLoadableModuleLogic):
    """Fusion of nodes, with and without the panel.

    From the Python console, in one line::

        fused = slicer.util.getModuleLogic("CSAFusion").fuse(getNode("CT"), getNode("MR"))
    """

    def __init__(self):
        ScriptedLoadableModuleLogic.__init__(self)
        self._job = None
        self._onEvent = None
        self._timer = qt.QTimer()
        self._timer.setInterval(POLL_INTERVAL_MS)
        self._timer.connect("timeout()", self._poll)

    def getParameterNode(self):
        """The parameter node of this scene."""
        return CSAFusionParameterNode(super().getParameterNode())

    def fuse(self, fixedNode, movingNode, settings=None, outputNode=None, outputTransformNode=None, *, progress=None):
        """Fuse two volume nodes and return the fused node; Slicer waits meanwhile.

        :param fixedNode: scalar or RGB volume; the result lies exactly on its grid, under its parent transform.
        :param movingNode: scalar or RGB volume; neither input is changed.
        :param settings: ``CSAFusionLib.fusion.settings.FusionSettings``; None takes its defaults.
        :param outputNode: volume to overwrite; None creates one.
        :param outputTransformNode: transform that gets the registration; None keeps it out of the scene.
        :param progress: called as ``progress(stage, done, total)``; it may raise ``CSAFusionLib.errors.Cancelled``.
        :raises CSAFusionLib.errors.CSAFusionError: one sentence; the scene is then as it was.
        """
        from CSAFusionLib.fusion.settings import FusionSettings
        from CSAFusionLib.progress import silent
        from CSAFusionLib.slicer_host.fusion import fuse_nodes

        settings = settings or FusionSettings()
        self.ensureDependencies(settings)
        return fuse_nodes(fixedNode, movingNode, settings, outputNode, outputTransformNode, progress=progress or silent)

    def start(self, fixedNode, movingNode, settings=None, outputNode=None, outputTransformNode=None, *, onEvent):
        """Start a fusion in a process of its own and return at once; the arguments are those of :meth:`fuse`.

        :param onEvent: called from Slicer's event loop with the events of ``CSAFusionLib.slicer_host.job``: any number
          of ``ProgressEvent``, then one ``FusedEvent``, ``ErrorEvent`` or ``CancelledEvent``.
        :raises CSAFusionLib.errors.CSAFusionError: it cannot be started; the scene is then as it was.
        """
        from CSAFusionLib.errors import InputError
        from CSAFusionLib.fusion.settings import FusionSettings
        from CSAFusionLib.slicer_host.job import FusionJob

        if self.isRunning:
            raise InputError(_("A fusion is running; wait for it or cancel it."))
        settings = settings or FusionSettings()
        self.ensureDependencies(settings)
        job = FusionJob(fixedNode, movingNode, settings, outputNode, outputTransformNode)
        job.start()
        self._job, self._onEvent = job, onEvent
        self._timer.start()

    @property
    def isRunning(self):
        """Whether a fusion that was started has not ended yet."""
        return self._job is not None

    def cancel(self):
        """Ask the running fusion to end; without one, nothing happens."""
        if self._job:
            self._job.cancel()
            self._poll()

    def whyNot(self, parameterNode):
        """The sentence that says why a fusion cannot be started with these parameters, or an empty text."""
        from CSAFusionLib.errors import InputError
        from CSAFusionLib.slicer_host.checking import check_nodes, check_registration

        if self.isRunning:
            return _("A fusion is running; wait for it or cancel it.")
        try:
            check_nodes(
                parameterNode.fixedVolume,
                parameterNode.movingVolume,
                parameterNode.fusedVolume,
                parameterNode.transform,
            )
            check_registration(parameterNode.method, parameterNode.transformModel)
        except InputError as error:
            return str(error)
        return ""

    def settingsFrom(self, parameterNode):
        """The backend's settings for what a parameter node holds."""
        from CSAFusionLib.fusion.settings import FusionSettings

        return FusionSettings(
            registration=parameterNode.method,
            transform_model=parameterNode.transformModel,
            fixed_modality=self._modality(parameterNode.fixedModality),
            moving_modality=self._modality(parameterNode.movingModality),
            colour_table=None if parameterNode.colourTable == GREY else parameterNode.colourTable,
            device=parameterNode.device.name.lower(),
        )

    def ensureDependencies(self, settings):
        """Have the Python packages installed that a fusion with these settings needs, after asking the user.

        :raises CSAFusionLib.errors.InputError: something is missing and was not installed.
        """
        from CSAFusionLib.slicer_host.dependencies import ensure_packages, ensure_torch

        resources = Path(__file__).resolve().parent / "Resources"
        ensure_torch()
        ensure_packages(resources / "requirements.txt")
        if settings.registration is Method.ANTS:
            ensure_packages(resources / "requirements-ants.txt")

    @staticmethod
    def _modality(choice):
        from CSAFusionLib.intensity.modality import Modality

        return None if choice is ModalityChoice.AUTOMATIC else Modality[choice.name]

    def _poll(self):
        from CSAFusionLib.slicer_host.job import ErrorEvent

        if not self._job:
            return
        # Told only when polling itself fails, which nobody foresaw; the exception then goes on to Slicer's console.
        events = [ErrorEvent(_("CSAFusion met an error it does not know; the Python console shows it."))]
        try:
            events = self._job.poll()
        finally:
            self._tell(events)

    def _tell(self, events):
        from CSAFusionLib.slicer_host.job import ErrorEvent, ProgressEvent

        for event in events:
            if not isinstance(event, ProgressEvent):
                self._timer.stop()
                self._job = None
            if isinstance(event, ErrorEvent) and event.details:
                logging.error(event.details)
            self._onEvent(event)


class CSAFusionTest(ScriptedLoadableModuleTest):
    """Runs in Slicer (Reload and Test, CTest) and in this repository's tests; needs no network and no CLI module."""

    def setUp(self):
        slicer.mrmlScene.Clear()

    def runTest(self):
        for test in (
            self.test_inputs_are_seen_where_their_transforms_put_them,
            self.test_the_panel_says_what_is_missing,
            self.test_parameters_become_settings,
            self.test_a_result_lies_on_the_fixed_volume,
        ):
            self.setUp()
            test()
        self.setUp()

    def test_inputs_are_seen_where_their_transforms_put_them(self):
        from CSAFusionLib.slicer_host.reading import volume_from_node

        node = self._addVolume("A")
        transform = slicer.mrmlScene.AddNewNodeByClass("vtkMRMLLinearTransformNode")
        matrix = vtk.vtkMatrix4x4()
        matrix.SetElement(0, 3, 10)
        transform.SetMatrixTransformToParent(matrix)
        node.SetAndObserveTransformNodeID(transform.GetID())
        self.assertEqual(volume_from_node(node).image.GetOrigin()[0], -10)

    def test_the_panel_says_what_is_missing(self):
        logic = CSAFusionLogic()
        parameterNode = logic.getParameterNode()
        self.assertIn("fixed", logic.whyNot(parameterNode))
        parameterNode.fixedVolume = self._addVolume("A")
        self.assertIn("moving", logic.whyNot(parameterNode))
        parameterNode.movingVolume = self._addVolume("B")
        self.assertEqual(logic.whyNot(parameterNode), "")

    def test_parameters_become_settings(self):
        logic = CSAFusionLogic()
        parameterNode = logic.getParameterNode()
        parameterNode.fixedModality = ModalityChoice.CT
        parameterNode.device = DeviceChoice.CPU
        settings = logic.settingsFrom(parameterNode)
        self.assertEqual((settings.fixed_modality.name, settings.moving_modality), ("CT", None))
        self.assertEqual((settings.device, settings.colour_table), ("cpu", None))

    def test_a_result_lies_on_the_fixed_volume(self):
        from CSAFusionLib.slicer_host.reading import volume_from_node
        from CSAFusionLib.slicer_host.writing import write_fused

        fixed = self._addVolume("A")
        fixed.SetSpacing(0.3, 0.3, 4.7)
        fused = write_fused(volume_from_node(fixed).image, {"notice": "test"}, fixed, "B")
        self.assertEqual(fused.GetSpacing(), fixed.GetSpacing())
        self.assertEqual(fused.GetAttribute("CSAFusion.notice"), "test")

    def _addVolume(self, name):
        import numpy as np

        voxels = np.arange(24, dtype=np.float32).reshape(2, 3, 4)
        return slicer.util.addVolumeFromArray(voxels, name=name, nodeClassName="vtkMRMLScalarVolumeNode")
