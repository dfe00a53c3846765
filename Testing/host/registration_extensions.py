"""Stand-ins for the extensions SlicerANTs and SlicerElastix, with the names and signatures of their logics.

Like the command-line modules they answer with what the test set, and are strict about what they are asked.
"""

from __future__ import annotations

import subprocess
import sys
from collections.abc import Callable
from dataclasses import dataclass, field
from importlib.machinery import ModuleSpec
from pathlib import Path
from types import ModuleType

import pytest
import SimpleITK as sitk
import slicer
import slicer.util

from Testing.host.command_line_modules import CommandLineModule, install_module, load_transform
from Testing.host.modules import module_of

_STAGES = {"Rigid": ["Rigid"], "Rigid+Affine": ["Rigid", "Affine"], "QuickSyN": ["Rigid", "Affine", "SyN"]}


class AntsRegistrationCli(CommandLineModule):
    def check(self, parameters: dict) -> None:
        volumes = [value for name, value in parameters.items() if name.startswith("inputVolume")]
        assert len(volumes) == 2 and len(set(volumes)) == 2
        assert all(slicer.mrmlScene.IsNodePresent(volume) for volume in volumes)
        assert parameters["outputCompositeTransform"].GetClassName() == "vtkMRMLTransformNode"
        assert type(parameters["useFloat"]) is bool and "--metric MI[$inputVolume01,$inputVolume02" in str(parameters)

    def put_result(self, parameters: dict) -> None:
        transform = parameters["outputCompositeTransform"]
        if slicer.mrmlScene.IsNodePresent(transform):
            load_transform(sitk.CompositeTransform([self.fixed_to_moving]), transform)


class _PresetManager:
    names = tuple(_STAGES)

    def getPresetNames(self) -> list[str]:
        return list(self.names)

    def getPresetParametersByName(self, name: str = "Rigid") -> dict:
        stages = [
            {
                "transformParameters": {"transform": transform, "settings": "0.1"},
                "metrics": [{"type": "MI", "fixed": None, "moving": None, "settings": "1,32,Regular,0.25"}],
                "levels": {"steps": [], "smoothingSigmasUnit": "vox"},
                "masks": {"fixed": None, "moving": None},
            }
            for transform in _STAGES[name]
        ]
        return {
            "stages": stages,
            "outputSettings": {"transform": None, "volume": None, "interpolation": "Linear"},
            "initialTransformSettings": {"initializationFeature": 1},
            "generalSettings": {"dimensionality": 3, "computationPrecision": "float"},
        }


class _AntsRegistrationLogic:
    def __init__(self) -> None:
        self.cliNode = None

    def process(
        self, stages, outputSettings, initialTransformSettings=None, generalSettings=None, wait_for_completion=False
    ) -> None:
        assert outputSettings["volume"] is None and outputSettings["interpolation"] == "Linear"
        assert initialTransformSettings["initializationFeature"] == 1
        metrics = [metric for stage in stages for metric in stage["metrics"]]
        fixed, moving = metrics[0]["fixed"], metrics[0]["moving"]
        assert all(metric["fixed"] is fixed and metric["moving"] is moving for metric in metrics)
        transforms = [stage["transformParameters"]["transform"] for stage in stages]
        parameters = {
            "inputVolume01": fixed,
            "inputVolume02": moving,
            "antsCommand": f"--transform {transforms} --metric MI[$inputVolume01,$inputVolume02]",
            "outputCompositeTransform": outputSettings["transform"],
            "useFloat": generalSettings["computationPrecision"] == "float",
        }
        self.cliNode = slicer.cli.run(
            slicer.modules.antsregistrationcli,
            None,
            parameters,
            wait_for_completion=wait_for_completion,
            update_display=False,
        )


def install_slicer_ants(monkeypatch: pytest.MonkeyPatch) -> AntsRegistrationCli:
    """Have the extension SlicerANTs for one test."""
    contents = {"antsRegistrationLogic": _AntsRegistrationLogic, "PresetManager": _PresetManager}
    _install(monkeypatch, module_of("antsRegistration", contents))
    return install_module(monkeypatch, AntsRegistrationCli("antsregistrationcli"))


@dataclass
class Elastix:
    """What the next runs of elastix answer, and what they were asked.

    between: called for each line that elastix prints, as Slicer's events are.
    """

    folder: Path
    fixed_to_moving: sitk.Transform = field(default_factory=lambda: sitk.Euler3DTransform())
    error: str = ""
    lines: int = 3
    between: Callable[[], None] = lambda: None
    asked: list[dict] = field(default_factory=list)
    cancelled: int = 0


def install_slicer_elastix(monkeypatch: pytest.MonkeyPatch, folder: Path) -> Elastix:
    """Have the extension SlicerElastix for one test, its files in a folder."""
    elastix = Elastix(folder)
    files = folder / "Resources" / "RegistrationParameters"
    files.mkdir(parents=True)
    for name in ("Rigid", "Affine", "BSpline"):
        (files / f"Parameters_{name}.txt").write_text(f'(Transform "{name}")\n')

    class ElastixLogic:
        def __init__(self) -> None:
            self.scriptPath = str(folder)
            self.logCallback = None
            self.isRunning = self.cancelRequested = False

        def registerVolumes(
            self,
            fixedVolumeNode,
            movingVolumeNode,
            parameterFilenames=None,
            outputVolumeNode=None,
            outputTransformNode=None,
            fixedVolumeMaskNode=None,
            movingVolumeMaskNode=None,
            forceDisplacementFieldOutputTransform=True,
            initialTransformNode=None,
        ) -> None:
            self.isRunning, self.cancelRequested = True, False
            texts = [Path(name).read_text() for name in parameterFilenames]
            volumes = (fixedVolumeNode, movingVolumeNode)
            elastix.asked.append({"files": texts, "images": [slicer.util.arrayFromVolume(node) for node in volumes]})
            for _ in range(elastix.lines):
                elastix.between()
                if self.cancelRequested:
                    elastix.cancelled += 1
                    break
            else:
                self._end(outputTransformNode, forceDisplacementFieldOutputTransform)
            self.isRunning = self.cancelRequested = False

        def _end(self, node, as_field: bool) -> None:
            if elastix.error:
                self.logCallback(f"elastix has started\n{elastix.error}\n")
                raise subprocess.CalledProcessError(1, "elastix")
            assert not as_field, "a linear transform would become a field"
            loaded = slicer.mrmlScene.AddNewNodeByClass("vtkMRMLTransformNode")
            loaded.AddDefaultStorageNode()
            load_transform(sitk.CompositeTransform([elastix.fixed_to_moving]), loaded)
            node.CopyContent(loaded)
            slicer.mrmlScene.RemoveNode(loaded)

    _install(monkeypatch, module_of("Elastix", {"ElastixLogic": ElastixLogic}))
    return elastix


def _install(monkeypatch: pytest.MonkeyPatch, module: ModuleType) -> None:
    module.__spec__ = ModuleSpec(module.__name__, None)
    monkeypatch.setitem(sys.modules, module.__name__, module)
