"""CSAFusion in 3D Slicer: the module, its parameters, its panel, its logic and its test.

The package CSAFusionLib contains the computation, the handling of nodes and the panel; this file connects it to Slicer.
"""

import logging
import sys
import time
from contextlib import contextmanager
from pathlib import Path
from typing import Annotated, Union

import qt
import slicer
import vtk
from slicer import (
    vtkMRMLLabelMapVolumeNode,
    vtkMRMLMarkupsROINode,
    vtkMRMLScalarVolumeNode,
    vtkMRMLSegmentationNode,
    vtkMRMLTableNode,
    vtkMRMLTransformNode,
)
from slicer.i18n import tr as _
from slicer.i18n import translate
from slicer.parameterNodeWrapper import WithinRange, parameterNodeWrapper
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

from CSAFusionLib.registration.registration import Method, TransformModel  # noqa: E402
from CSAFusionLib.slicer_host.panel.choices import (  # noqa: E402
    BatchSource,
    ColourChoice,
    Intensities,
    ModalityChoice,
    PlaneChoice,
    Reference,
    SeriesModality,
    StyleChoice,
    WeightsChoice,
)

POLL_INTERVAL_MS = 100
BATCH_POLL_INTERVAL_MS = 300
WAIT_SECONDS = 0.02
_ANY_INTENSITY = WithinRange(-1e6, 1e6)


class CSAFusion(ScriptedLoadableModule):
    """The description that Slicer shows before the module is opened."""

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
        self.parent.acknowledgementText = _(
            "The network follows the article 'CSAFusion: a convolutional neural network (CNN)-based and Swin "
            "Transformer network for multi-modal medical image fusion'. It is built on PyTorch, SimpleITK, NumPy and "
            "3D Slicer."
        )
        slicer.app.connect("startupCompleted()", registerSampleData)


def registerSampleData():
    """Offer the volumes of the tutorial in the module Sample Data."""
    from CSAFusionLib.slicer_host.sample_data import register_sample_data

    register_sample_data(Path(__file__).resolve().parent / "Resources" / "Icons" / "CSAFusion.png")


@parameterNodeWrapper
class CSAFusionParameterNode:
    """Everything chosen in the panel, and the nodes of the last result; saved with the scene."""

    volumeA: vtkMRMLScalarVolumeNode
    volumeB: vtkMRMLScalarVolumeNode
    modalityA: ModalityChoice = ModalityChoice.AUTOMATIC
    modalityB: ModalityChoice = ModalityChoice.AUTOMATIC
    intensitiesA: Intensities = Intensities.AUTOMATIC
    intensitiesB: Intensities = Intensities.AUTOMATIC
    levelA: Annotated[float, _ANY_INTENSITY] = 100.0
    widthA: Annotated[float, _ANY_INTENSITY] = 300.0
    levelB: Annotated[float, _ANY_INTENSITY] = 100.0
    widthB: Annotated[float, _ANY_INTENSITY] = 300.0
    biasCorrection: bool = False
    reference: Reference = Reference.FINER
    colourTable: ColourChoice = ColourChoice.GREY
    region: vtkMRMLMarkupsROINode
    mask: Union[vtkMRMLSegmentationNode, vtkMRMLLabelMapVolumeNode, None]  # noqa: UP007 (the only spelling Slicer reads)
    method: Method = Method.AUTO
    transformModel: TransformModel = TransformModel.RIGID
    registrationMaskA: Union[vtkMRMLSegmentationNode, vtkMRMLLabelMapVolumeNode, None]  # noqa: UP007
    registrationMaskB: Union[vtkMRMLSegmentationNode, vtkMRMLLabelMapVolumeNode, None]  # noqa: UP007
    transform: vtkMRMLTransformNode
    style: StyleChoice = StyleChoice.FUSED
    opacity: Annotated[float, WithinRange(0, 1)] = 0.5
    weights: WeightsChoice = WeightsChoice.AUTOMATIC
    weightsFile: Path
    balance: Annotated[float, WithinRange(-1, 1)] = 0.0
    plane: PlaneChoice = PlaneChoice.AUTO
    throughSliceSmoothing: Annotated[float, WithinRange(0, 10)] = 2.0
    fusedVolume: vtkMRMLScalarVolumeNode
    makeContribution: bool = False
    makeSliceTable: bool = True
    registeredVolume: vtkMRMLScalarVolumeNode
    contributionVolume: vtkMRMLScalarVolumeNode
    sliceTable: vtkMRMLTableNode
    batchSource: BatchSource = BatchSource.SCENE
    batchFixedFolder: Path
    batchMovingFolder: Path
    batchTable: Path
    batchFixedSeries: SeriesModality = SeriesModality.MR
    batchFixedNamed: str = ""
    batchMovingSeries: SeriesModality = SeriesModality.PT
    batchMovingNamed: str = ""
    batchFolder: Path
    batchJobs: Annotated[int, WithinRange(0, 256)] = 0
    batchMisalignment: bool = False
    batchRetryFailed: bool = False


class CSAFusionWidget(ScriptedLoadableModuleWidget, VTKObservationMixin):
    """The life cycle of the panel in Slicer; its contents are in ``CSAFusionLib.slicer_host.panel``."""

    def __init__(self, parent=None):
        ScriptedLoadableModuleWidget.__init__(self, parent)
        VTKObservationMixin.__init__(self)
        self.logic = None
        self._panel = None
        self._parameterNode = None
        self._parameterNodeGuiTag = None
        self._deviceTimer = None

    def setup(self):
        """Called when the module is first opened."""
        from CSAFusionLib.slicer_host.panel.panel import Panel

        ScriptedLoadableModuleWidget.setup(self)
        uiWidget = slicer.util.loadUI(self.resourcePath("UI/CSAFusion.ui"))
        self.layout.addWidget(uiWidget)
        self.ui = slicer.util.childWidgetVariables(uiWidget)
        uiWidget.setMRMLScene(slicer.mrmlScene)
        self.logic = CSAFusionLogic()
        self.logic.onBusyChanged = self.onBusyChanged
        logic = self.logic
        self._panel = Panel(self.ui, logic.busy, lambda: logic.isRunning, lambda: logic.isBatchRunning, self.onInstall)
        self._deviceTimer = qt.QTimer()
        self._deviceTimer.setInterval(POLL_INTERVAL_MS)
        self._deviceTimer.connect("timeout()", self._pollDevices)

        self.addObserver(slicer.mrmlScene, slicer.mrmlScene.StartCloseEvent, self.onSceneStartClose)
        self.addObserver(slicer.mrmlScene, slicer.mrmlScene.EndCloseEvent, self.onSceneEndClose)
        self.addObserver(slicer.mrmlScene, slicer.mrmlScene.EndImportEvent, self.onSceneEndImport)
        self.addObserver(slicer.mrmlScene, slicer.mrmlScene.NodeAddedEvent, self.onNodeAdded)
        self.addObserver(slicer.mrmlScene, slicer.mrmlScene.NodeAboutToBeRemovedEvent, self.onNodeAboutToBeRemoved)
        self.ui.applyButton.connect("clicked(bool)", self.onApplyButton)
        self.ui.cancelButton.connect("clicked(bool)", self.onCancelButton)
        self.ui.batchStartButton.connect("clicked(bool)", self.onBatchStartButton)
        self.ui.batchCancelButton.connect("clicked(bool)", self.onBatchCancelButton)
        self.ui.batchPageButton.connect("clicked(bool)", self.onBatchPageButton)
        self.initializeParameterNode()

    def cleanup(self):
        """Called when the application closes and the panel is destroyed."""
        if self.logic:
            self.logic.onBusyChanged = None
            self.logic.cancel()
            self.logic.endBatch()
        if self._deviceTimer:
            self._deviceTimer.stop()
        self.setParameterNode(None)
        if self._panel:
            self._panel.end()
        self.removeObservers()

    def enter(self):
        """Called each time the module is opened."""
        self.initializeParameterNode()
        self._panel.ask_for_devices()
        self._deviceTimer.start()

    def exit(self):
        """Called each time another module is opened; running work continues."""
        self.setParameterNode(None)

    def onReload(self):
        """Developer reload: Slicer executes this file again, but must be made to forget the package."""
        self.logic.cancel()
        self.logic.endBatch()
        for name in [name for name in sys.modules if name.split(".")[0] == "CSAFusionLib"]:
            del sys.modules[name]
        super().onReload()

    def onSceneStartClose(self, caller, event):
        """Called just before the scene is closed; a batch, which reads files, continues."""
        self.logic.cancel()
        self.setParameterNode(None)

    def onSceneEndClose(self, caller, event):
        """Called just after the scene was closed."""
        if self.parent.isEntered:
            self.initializeParameterNode()

    def onSceneEndImport(self, caller, event):
        """Called just after a scene was loaded, which may have brought other parameters."""
        if self.parent.isEntered:
            self.initializeParameterNode()

    @vtk.calldata_type(vtk.VTK_OBJECT)
    def onNodeAdded(self, caller, event, node):
        """Called just after a node was added, before it holds anything."""
        if self._parameterNode and node.IsA("vtkMRMLScalarVolumeNode"):
            qt.QTimer.singleShot(0, self._chooseVolumes)

    @vtk.calldata_type(vtk.VTK_OBJECT)
    def onNodeAboutToBeRemoved(self, caller, event, node):
        """Called just before a node is removed, and before selectors take another one in its place."""
        from CSAFusionLib.slicer_host.nodes import belongings_of, remove_nodes

        if caller.IsClosing():
            return
        belongings = belongings_of(node)
        if belongings:
            qt.QTimer.singleShot(0, lambda: remove_nodes(belongings))
        self._panel.node_goes(node)

    def initializeParameterNode(self):
        """Show the scene's parameter node, with volumes selected where the choice is unambiguous."""
        parameterNode = self.logic.getParameterNode()
        _chooseVolumes(parameterNode)
        self.setParameterNode(parameterNode)

    def setParameterNode(self, parameterNode):
        """Show a parameter node, or none."""
        if self._parameterNode:
            self._panel.release()
            self._parameterNode.disconnectGui(self._parameterNodeGuiTag)
            self.removeObserver(self._parameterNode, vtk.vtkCommand.ModifiedEvent, self._onModified)
        self._parameterNode = parameterNode
        if self._parameterNode:
            # connectGui returns no tag, so that nothing it connects could be disconnected again.
            widgets = {name: widget for widget in vars(self.ui).values() if (name := _parameterOf(widget))}
            self._parameterNodeGuiTag = self._parameterNode.connectParametersToGui(widgets)
            self.addObserver(self._parameterNode, vtk.vtkCommand.ModifiedEvent, self._onModified)
            self._panel.show(self._parameterNode)

    def onApplyButton(self, checked=False):
        """Start the fusion, after installing the packages it lacks."""
        chosen = self._parameterNode
        # The installation, which continues after this returns, sets the cursor.
        with self._tellingErrors(_("The fusion could not be started."), waitCursor=False):
            method = self._panel.request().settings.registration
            if not self.logic.install(method, lambda error: self.onInstalledForApply(error, chosen), forFusion=True):
                self._start(chosen)

    def onInstalledForApply(self, error, chosen):
        """Called when the installation that Apply started has ended: continue if its parameters are still shown."""
        if error or self._parameterNode is None or self._parameterNode is not chosen:
            self._panel.after_installation(error or _("The packages are installed; press Apply."))
            return
        self._panel.after_installation("")
        self._start(chosen)

    def _start(self, chosen):
        with self._tellingErrors(_("The fusion could not be started."), waitCursor=True):
            request = self._panel.request()
            self.logic.start(
                request.fixed,
                request.moving,
                request.settings,
                request.outputs,
                roi=request.roi,
                mask=request.mask,
                masks=request.masks,
                onEvent=lambda event: self.onEvent(event, chosen),
            )
            self._panel.run.show_start()
            self._panel.update()

    @contextmanager
    def _tellingErrors(self, message, waitCursor, tell=None):
        """Show an expected error in the panel, through ``tell`` if it is given, and any other in a message box."""
        from CSAFusionLib.errors import CSAFusionError

        with slicer.util.tryWithErrorDisplay(message, waitCursor=waitCursor):
            try:
                yield
            except CSAFusionError as error:
                (tell or self._panel.run.show_end)(str(error))

    def onCancelButton(self, checked=False):
        """Stop the fusion; the panel is ready again when the event of its end arrives."""
        self.logic.cancel()

    def onBatchStartButton(self, checked=False):
        """Start the batch, after installing the packages it lacks."""
        chosen = self._parameterNode
        with self._tellingErrors(_("The batch could not be started."), waitCursor=False, tell=self._panel.batch.tell):
            method = self._panel.batch.request().settings.registration
            if not self.logic.install(
                method, lambda error: self.onInstalledForBatch(error, chosen), forFusion=True, forBatch=True
            ):
                self._startBatch()
            elif self.logic.isInstalling:
                self._panel.batch.show_wait(_("Installing Python packages"))

    def onInstalledForBatch(self, error, chosen):
        """Called when the installation that Start began has ended: continue if its parameters are still shown."""
        self._panel.after_installation("")
        if error or self._parameterNode is None or self._parameterNode is not chosen:
            self._panel.batch.tell(error or _("The packages are installed; press Start."))
            return
        self._startBatch()

    def _startBatch(self):
        with self._tellingErrors(_("The batch could not be started."), waitCursor=True, tell=self._panel.batch.tell):
            request = self._panel.batch.request()
            self.logic.startBatch(
                request.cases,
                request.folder,
                request.settings,
                jobs=request.jobs,
                retryFailed=request.retry_failed,
                onRow=self._panel.show_batch_row,
                onEnd=self._panel.show_batch_end,
            )
            self._panel.batch.show_start([case.name for case in request.cases], request.folder)
            self._panel.update()

    def onBatchCancelButton(self, checked=False):
        """Stop the batch; the panel is ready again once it has ended."""
        self._panel.batch.show_wait(_("Stopping..."))
        self.logic.cancelBatch()

    def onBatchPageButton(self, checked=False):
        """Write and show the page to review the cases, after installing the packages it lacks."""
        with self._tellingErrors(_("The page could not be written."), waitCursor=False, tell=self._panel.batch.tell):
            if not self.logic.install(None, self.onInstalledForPage, forBatch=True):
                self._panel.batch.make_page()

    def onInstalledForPage(self, error):
        """Called when the installation that the page began has ended."""
        self._panel.after_installation("")
        self._panel.batch.tell(error or _("The packages are installed; press the button again."))

    def onInstall(self, method):
        """Install the package of a registration method, after asking."""
        with self._tellingErrors(_("The package could not be installed."), waitCursor=False):
            from CSAFusionLib.slicer_host.wording import title_of

            text = _("{method} is installed and can be chosen.").format(method=title_of(method))
            if not self.logic.install(method, lambda error: self._panel.after_installation(error or text)):
                self._panel.after_installation(text)

    def onBusyChanged(self):
        """Called when a run or an installation begins or ends, including those of the Python console."""
        if self.logic.isInstalling:
            self._panel.run.show_wait(_("Installing Python packages"))
        self._panel.update()

    def onEvent(self, event, parameterNode):
        """Show an event of the running fusion; a result is kept in the parameters it was started from."""
        from CSAFusionLib.slicer_host.fusion_job import FusedEvent
        from CSAFusionLib.slicer_host.panel.request import keep_outputs

        if isinstance(event, FusedEvent) and slicer.mrmlScene.IsNodePresent(parameterNode.parameterNode):
            keep_outputs(event.outputs, parameterNode)
        self._panel.show_event(event)

    def _onModified(self, caller=None, event=None):
        self._panel.update()

    def _chooseVolumes(self):
        if self._parameterNode:
            _chooseVolumes(self._parameterNode)

    def _pollDevices(self):
        if not self._panel.poll_devices():
            self._deviceTimer.stop()


def _parameterOf(widget):
    return widget.property("SlicerParameterName")


def _chooseVolumes(parameterNode):
    """Select the scene's volumes if none is selected and there are exactly two."""
    if parameterNode.volumeA is None and parameterNode.volumeB is None:
        shown = [
            node for node in slicer.util.getNodesByClass("vtkMRMLScalarVolumeNode") if _isInput(node, parameterNode)
        ]
        if len(shown) == 2:
            parameterNode.volumeA, parameterNode.volumeB = shown


def _isInput(node, parameterNode):
    """Whether a volume is a likely input: it has an image, and is no label map, hidden node or result."""
    from CSAFusionLib.slicer_host.nodes import is_result

    if node.IsA("vtkMRMLLabelMapVolumeNode") or node.GetHideFromEditors() or node.GetImageData() is None:
        return False
    return not is_result(node) and node not in (parameterNode.registeredVolume, parameterNode.contributionVolume)


_FORMER_PARAMETERS = {"makeFigures": "makeSliceTable", "figuresTable": "sliceTable"}


def _renameFormerParameters(node):
    """Rename the parameters of a scene saved by an earlier version."""
    for former, name in _FORMER_PARAMETERS.items():
        if node.HasParameter(former):
            # Slicer keeps a node as a reference, and an empty parameter of its name.
            node.SetParameter(name, node.GetParameter(former))
            node.SetNodeReferenceID(name, node.GetNodeReferenceID(former))
            node.UnsetParameter(former)
            node.RemoveNodeReferenceIDs(former)


class CSAFusionLogic(ScriptedLoadableModuleLogic):
    """Fuses nodes, with or without the panel; one fusion at a time.

    From the Python console, in one line::

        fused = slicer.util.getModuleLogic("CSAFusion").fuse(getNode("CT"), getNode("MR"))
    """

    def __init__(self):
        ScriptedLoadableModuleLogic.__init__(self)
        self._job = None
        self._onEvent = None
        self._batch = None
        self._onBatchRow = None
        self._onBatchEnd = None
        self._batchStopped = False
        self.isInstalling = False
        self.onBusyChanged = None
        self._timer = qt.QTimer()
        self._timer.setInterval(POLL_INTERVAL_MS)
        self._timer.connect("timeout()", self._poll)
        self._batchTimer = qt.QTimer()
        self._batchTimer.setInterval(BATCH_POLL_INTERVAL_MS)
        self._batchTimer.connect("timeout()", self._pollBatch)

    def getParameterNode(self):
        """The parameter node of this scene."""
        node = super().getParameterNode()
        _renameFormerParameters(node)
        return CSAFusionParameterNode(node)

    def fuse(
        self,
        fixedNode,
        movingNode,
        settings=None,
        outputs=None,
        *,
        roi=None,
        mask=None,
        masks=(None, None),
        progress=None,
    ):
        """Fuse two volume nodes and return the fused node; Slicer stays alive meanwhile.

        While another fusion runs, or packages are installed, it waits for their end.

        :param fixedNode: scalar or RGB volume; the result lies exactly on its grid, under its parent transform.
        :param movingNode: scalar or RGB volume; neither input is changed.
        :param settings: ``CSAFusionLib.fusion.settings.FusionSettings``; None takes its defaults.
        :param outputs: ``CSAFusionLib.slicer_host.fusion_job.Outputs``: nodes to overwrite and what to make beside
          the fused volume; None makes a new fused volume and nothing else.
        :param roi: markups ROI to fuse in; outside, the result is the fixed volume.
        :param mask: segmentation or label volume to fuse in.
        :param masks: segmentations or label volumes, of the fixed and of the moving volume, in which the registration
          compares the two; None compares everywhere.
        :param progress: called as ``progress(stage, done, total)``; it may raise ``CSAFusionLib.errors.Cancelled``.
        :raises CSAFusionLib.errors.CSAFusionError: one sentence; the scene is then as it was.
        """
        from CSAFusionLib.errors import Cancelled, InputError
        from CSAFusionLib.progress import silent
        from CSAFusionLib.slicer_host.fusion_job import FusedEvent
        from CSAFusionLib.worker.job import ErrorEvent, ProgressEvent

        progress = progress or silent
        self._waitWhile(self.busy, lambda: progress("Waiting", 0, 0))
        events = []
        self.start(fixedNode, movingNode, settings, outputs, roi=roi, mask=mask, masks=masks, onEvent=events.append)
        job = self._job
        try:
            while True:
                self._waitWhile(lambda: not events)
                event = events.pop(0)
                if isinstance(event, FusedEvent):
                    return event.outputs.fused
                if isinstance(event, ErrorEvent):
                    raise InputError(event.message)
                if not isinstance(event, ProgressEvent):
                    raise Cancelled
                self._report(progress, event)
        finally:
            # Whatever a callback may have raised, no part of this run continues.
            if self._job is job:
                self.cancel()
                self._waitWhile(lambda: self._job is job)

    def start(
        self, fixedNode, movingNode, settings=None, outputs=None, *, roi=None, mask=None, masks=(None, None), onEvent
    ):
        """Start a fusion and return at once; the arguments are those of :meth:`fuse`.

        :param onEvent: called from Slicer's event loop with the events of ``CSAFusionLib.slicer_host.fusion_job``: any
          number of ``ProgressEvent``, then one ``FusedEvent``, ``ErrorEvent`` or ``CancelledEvent``.
        :raises CSAFusionLib.errors.CSAFusionError: it cannot be started; the scene is then as it was.
        """
        from CSAFusionLib.errors import InputError
        from CSAFusionLib.fusion.settings import FusionSettings
        from CSAFusionLib.slicer_host.fusion_job import FusionJob

        if self.busy():
            raise InputError(self.busy())
        settings = settings or FusionSettings()
        self.ensureDependencies(settings.registration)
        job = FusionJob(fixedNode, movingNode, settings, outputs, roi=roi, mask=mask, masks=masks)
        job.start()
        self._job, self._onEvent = job, onEvent
        self._timer.start()
        self._tellBusyChanged()

    def batch(self, pairs, folder, settings=None, *, jobs=None, retryFailed=False, onRow=None):
        """Fuse many pairs, each into its own folder, with the engine of ``csafusion batch``; Slicer stays responsive.

        Cases already done in the folder with the same inputs and settings are skipped: call it again to continue. ::

            from CSAFusionLib.slicer_host.batch import pairs_of_dicom
            pairs, leftOut = pairs_of_dicom("MR", "PT")
            records = slicer.util.getModuleLogic("CSAFusion").batch(pairs, "/data/fused")

        :param pairs: results of the functions of ``CSAFusionLib.slicer_host.batch``, or pairs of volume nodes. :param
        folder: where the cases go. :param settings: ``CSAFusionLib.fusion.settings.FusionSettings``; None takes its
        defaults. :param jobs: how many cases at a time; None takes as many as cores and memory allow. :param
        retryFailed: whether cases that failed before are tried again. :param onRow: called with each
        ``CSAFusionLib.batch.child.Row`` as its case ends; it may raise ``Cancelled``. :return: the
        ``CSAFusionLib.batch.layout.Record`` of every case in the folder. :raises CSAFusionLib.errors.CSAFusionError:
        one sentence; finished cases are kept.
        """
        from CSAFusionLib.batch.layout import read_records

        self._waitWhile(self.busy)
        rows, ends = [], []
        self.startBatch(
            pairs, folder, settings, jobs=jobs, retryFailed=retryFailed, onRow=rows.append, onEnd=ends.append
        )
        try:
            while rows or not ends:
                self._waitWhile(lambda: not (rows or ends))
                while rows:
                    row = rows.pop(0)
                    if onRow:
                        onRow(row)
            if ends[0] is not None:
                raise ends[0]
        finally:
            # Whatever a callback may have raised, no part of this batch continues.
            if not ends:
                self.endBatch()
        return read_records(Path(folder))

    def startBatch(self, pairs, folder, settings=None, *, jobs=None, retryFailed=False, onRow, onEnd):
        """Start a batch and return at once; the arguments are those of :meth:`batch`.

        :param pairs: as in :meth:`batch`; volume nodes are saved first, and have to stay in the scene until then.
        :param onRow: called from Slicer's event loop with each case that ends.
        :param onEnd: called once at the end: with None, with ``Cancelled``, or with the error that ended the batch.
        :raises CSAFusionLib.errors.CSAFusionError: it cannot be started.
        """
        from CSAFusionLib.errors import InputError
        from CSAFusionLib.fusion.settings import FusionSettings
        from CSAFusionLib.slicer_host.batch import BatchJob, as_pairs

        if self.busy():
            raise InputError(self.busy())
        settings = settings or FusionSettings()
        self.ensureDependencies(settings.registration, forBatch=True)
        batch = BatchJob(
            as_pairs(pairs, settings), Path(folder).absolute(), settings, jobs=jobs, retry_failed=retryFailed
        )
        batch.start()
        self._batch, self._onBatchRow, self._onBatchEnd, self._batchStopped = batch, onRow, onEnd, False
        self._batchTimer.start()
        self._tellBusyChanged()

    @property
    def isBatchRunning(self):
        """Whether a batch that was started has not ended yet."""
        return self._batch is not None

    def cancelBatch(self):
        """Ask the running batch to end, without waiting; finished cases are kept."""
        if self._batch is not None:
            self._batchStopped = True
            self._batch.stop()
            self._pollBatch()

    def endBatch(self):
        """End the running batch, and wait until its processes have ended."""
        if self._batch is not None:
            self._batchStopped = True
            self._batch.cancel()
            self._pollBatch()

    @property
    def isRunning(self):
        """Whether a fusion that was started has not ended yet."""
        return self._job is not None

    def cancel(self):
        """Ask the running fusion to end; without one, nothing happens."""
        if self._job:
            self._job.cancel()
            self._poll()

    def busy(self):
        """The sentence on the work that is running, during which no other can start; empty when idle."""
        if self.isRunning:
            return _("A fusion is running; wait for it or cancel it.")
        if self._batch is not None:
            return _("A batch is running; wait for its end or cancel it.")
        return _("Python packages are being installed; wait until that has ended.") if self.isInstalling else ""

    def ensureDependencies(self, method=None, *, forBatch=False):
        """Install the Python packages that a fusion needs, after asking once; returns once they are installed.

        :param method: registration whose packages are needed too.
        :param forBatch: whether those of a batch are, too.
        :raises CSAFusionLib.errors.InputError: something is missing and was not installed.
        """
        from CSAFusionLib.errors import InputError

        ends = []
        if self.install(method, ends.append, forFusion=True, forBatch=forBatch):
            self._waitWhile(lambda: not ends)
            if ends[0]:
                raise InputError(ends[0])

    def install(self, method, onEnd, *, forFusion=False, forBatch=False):
        """Install missing Python packages while Slicer keeps running, after asking once.

        :param method: registration whose packages are wanted; None for none. :param onEnd: called once at the end with
        an empty text, or with the sentence that says what failed. :param forBatch: whether to install the packages of a
        batch too. :param forFusion: whether to install all other packages of a fusion with this method too. :return:
        whether anything was missing; if not, onEnd is not called. :raises CSAFusionLib.errors.InputError: the user
        declined, or it cannot be done now.
        """
        from CSAFusionLib.errors import InputError
        from CSAFusionLib.slicer_host import dependencies
        from CSAFusionLib.slicer_host.engines import PACKAGES, engine_of

        names = ["requirements.txt"] if forFusion else []
        names += ["requirements-batch.txt"] if forBatch else []
        # A batch runs in its own processes, in which no Slicer extension can be used.
        if method in PACKAGES and (forBatch or not (forFusion and engine_of(method))):
            names.append(f"requirements-{method.name.lower()}.txt")
        files = [Path(__file__).resolve().parent / "Resources" / name for name in names]
        missing = dependencies.missing_from(files, with_torch=forFusion)
        if not missing:
            return False
        if self.busy():
            raise InputError(self.busy())
        declined = _("{packages} was not installed; the method cannot be used without it.")
        if forBatch:
            declined = _("This cannot be done without {packages}; press the button again to install it.")
        elif forFusion:
            declined = _("The fusion cannot run without {packages}; press Apply again to install it.")
        dependencies.ask_to_install(missing, declined)
        self.isInstalling = True
        self._tellBusyChanged()
        dependencies.install(missing, lambda error: self._endInstallation(error, onEnd))
        return True

    def _endInstallation(self, error, onEnd):
        self.isInstalling = False
        self._tellBusyChanged()
        onEnd(error)

    def _tellBusyChanged(self):
        if self.onBusyChanged:
            self.onBusyChanged()

    def _waitWhile(self, goesOn, between=lambda: None):
        """Keep Slicer responsive while ``goesOn`` is true."""
        while goesOn():
            between()
            slicer.app.processEvents()
            time.sleep(WAIT_SECONDS)

    def _report(self, progress, event):
        from CSAFusionLib.errors import Cancelled

        try:
            progress(event.stage, event.done, event.total)
        except Cancelled:
            # The event of the cancellation follows.
            self.cancel()

    def _poll(self):
        from CSAFusionLib.worker.job import ErrorEvent

        if not self._job:
            return
        # Shown only if polling itself fails; the exception then goes on to Slicer's console.
        events = [ErrorEvent(_("An unexpected error occurred; see the Python console for details."))]
        try:
            events = self._job.poll()
        finally:
            self._tell(events)

    def _tell(self, events):
        from CSAFusionLib.worker.job import ErrorEvent, ProgressEvent

        for event in events:
            if not isinstance(event, ProgressEvent):
                self._timer.stop()
                self._job = None
            if isinstance(event, ErrorEvent) and event.details:
                logging.error(event.details)
            self._onEvent(event)
            if not self._job:
                self._tellBusyChanged()

    def _pollBatch(self):
        from CSAFusionLib.errors import CSAFusionError, InputError

        if self._batch is None:
            return
        # Shown only if polling itself fails; the exception then goes on to Slicer's console.
        rows, error = [], InputError(_("An unexpected error occurred; see the Python console for details."))
        try:
            rows, error = self._batch.poll(), None
        except CSAFusionError as problem:
            error = problem
        finally:
            self._tellBatch(rows, error)

    def _tellBatch(self, rows, error):
        from CSAFusionLib.errors import Cancelled

        for row in rows:
            self._onBatchRow(row)
        if error is None and self._batch.is_running:
            return
        batch, self._batch = self._batch, None
        self._batchTimer.stop()
        # Whatever the error, no part of this batch continues.
        batch.cancel()
        self._onBatchEnd(Cancelled() if self._batchStopped else error)
        self._tellBusyChanged()


class CSAFusionTest(ScriptedLoadableModuleTest):
    """Runs in Slicer (Reload and Test, CTest) and in this repository's tests; needs no network and no CLI module."""

    def setUp(self):
        slicer.mrmlScene.Clear()

    def runTest(self):
        for test in (
            self.test_inputs_are_seen_where_their_transforms_put_them,
            self.test_what_is_missing_is_said,
            self.test_parameters_become_a_request,
            self.test_pairs_of_the_scene_become_cases_of_a_batch,
            self.test_a_result_lies_on_the_fixed_volume,
        ):
            self.setUp()
            test()
        self.setUp()

    def test_inputs_are_seen_where_their_transforms_put_them(self):
        from CSAFusionLib.slicer_host.volume_nodes import volume_from_node

        node = self._addVolume("A")
        transform = slicer.mrmlScene.AddNewNodeByClass("vtkMRMLLinearTransformNode")
        matrix = vtk.vtkMatrix4x4()
        matrix.SetElement(0, 3, 10)
        transform.SetMatrixTransformToParent(matrix)
        node.SetAndObserveTransformNodeID(transform.GetID())
        self.assertEqual(volume_from_node(node).image.GetOrigin()[0], -10)

    def test_what_is_missing_is_said(self):
        from CSAFusionLib.errors import InputError
        from CSAFusionLib.slicer_host.panel.request import request_from

        parameterNode = CSAFusionLogic().getParameterNode()
        with self.assertRaisesRegex(InputError, "volume A and volume B"):
            request_from(parameterNode, "cpu")
        parameterNode.volumeA = self._addVolume("A")
        with self.assertRaisesRegex(InputError, "volume B too"):
            request_from(parameterNode, "cpu")

    def test_parameters_become_a_request(self):
        from CSAFusionLib.slicer_host.panel.request import request_from

        parameterNode = CSAFusionLogic().getParameterNode()
        parameterNode.volumeA, parameterNode.volumeB = self._addVolume("A"), self._addVolume("B")
        parameterNode.volumeB.SetSpacing(0.5, 0.5, 0.5)
        parameterNode.modalityA = ModalityChoice.CT
        request = request_from(parameterNode, "cpu")
        self.assertIs(request.fixed, parameterNode.volumeB)
        self.assertEqual(request.settings.moving_modality.name, "CT")
        self.assertEqual(request.settings.device, "cpu")

    def test_pairs_of_the_scene_become_cases_of_a_batch(self):
        import tempfile

        from CSAFusionLib.slicer_host.panel.request import find_cases, keep_pairs

        parameterNode = CSAFusionLogic().getParameterNode()
        keep_pairs([(self._addVolume("A"), self._addVolume("B"))], parameterNode)
        (pair,) = find_cases(parameterNode, "cpu").cases
        with tempfile.TemporaryDirectory() as folder:
            *steps, case = pair.saved(Path(folder))
            self.assertEqual((case.name, steps), ("A_B", [None, None]))
            self.assertTrue(case.fixed.is_file() and case.moving.is_file())

    def test_a_result_lies_on_the_fixed_volume(self):
        from CSAFusionLib.slicer_host.volume_nodes import volume_from_node, write_fused

        fixed = self._addVolume("A")
        fixed.SetSpacing(0.3, 0.3, 4.7)
        fused = write_fused(volume_from_node(fixed).image, {"notice": "test"}, fixed, "B")
        self.assertEqual(fused.GetSpacing(), fixed.GetSpacing())
        self.assertEqual(fused.GetAttribute("CSAFusion.notice"), "test")

    def _addVolume(self, name):
        import numpy as np

        voxels = np.arange(24, dtype=np.float32).reshape(2, 3, 4)
        return slicer.util.addVolumeFromArray(voxels, name=name, nodeClassName="vtkMRMLScalarVolumeNode")
