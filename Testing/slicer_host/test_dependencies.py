"""Packages are asked for when needed, and a refusal is one sentence. (Against stand-ins of Slicer's installers.)"""

from __future__ import annotations

import subprocess
import sys
from importlib.machinery import ModuleSpec
from types import ModuleType, SimpleNamespace

import pytest
import slicer.util
from packaging.requirements import Requirement

from CSAFusionLib.errors import InputError
from CSAFusionLib.slicer_host import dependencies


@pytest.fixture
def requirements(tmp_path):
    path = tmp_path / "requirements.txt"
    path.write_text("# a comment\nnumpy>=1.26\nantspyx>=0.5\na-package-nobody-has>=1\n")
    return [path]


@pytest.fixture
def nothing_installed(monkeypatch):
    monkeypatch.setattr(dependencies, "is_installed", lambda name: name == "numpy")


@pytest.fixture
def only_torch_installed(monkeypatch):
    monkeypatch.setattr(dependencies, "is_installed", lambda name: name in ("numpy", "torch"))


def a_module(monkeypatch, name: str, **members) -> None:
    module = ModuleType(name)
    module.__spec__ = ModuleSpec(name, None)
    vars(module).update(members)
    monkeypatch.setitem(sys.modules, name, module)
    if name.startswith("slicer."):
        monkeypatch.setattr(slicer, name.split(".")[1], module, raising=False)


def torch_extension(monkeypatch, answer) -> list:
    asked = []

    class PyTorchUtilsLogic:
        def installTorch(self, askConfirmation=False, forceComputationBackend=None, torchVersionRequirement=None):
            asked.append((askConfirmation, forceComputationBackend, torchVersionRequirement))
            return answer

    a_module(monkeypatch, "PyTorchUtils", PyTorchUtilsLogic=PyTorchUtilsLogic)
    return asked


def test_what_is_there_is_found_without_importing_it():
    assert dependencies.is_installed("numpy")
    assert not dependencies.is_installed("a-package-nobody-has")


def pip(monkeypatch, agrees: bool) -> SimpleNamespace:
    said = SimpleNamespace(questions=[], installed=[])

    def confirm(text):
        said.questions.append(text)
        return agrees

    monkeypatch.setattr(slicer.util, "confirmOkCancelDisplay", confirm)
    monkeypatch.setattr(slicer.util, "pip_install", said.installed.append)
    return said


def test_where_nothing_is_missing_nothing_is_asked(monkeypatch, requirements):
    monkeypatch.setattr(dependencies, "is_installed", lambda name: True)
    said = pip(monkeypatch, agrees=True)
    dependencies.ensure_installed(requirements)
    assert said.questions == []


def test_there_is_one_question_for_all_that_is_missing_with_sizes(monkeypatch, requirements, nothing_installed):
    asked = torch_extension(monkeypatch, object())
    said = pip(monkeypatch, agrees=True)
    dependencies.ensure_installed(requirements)
    (question,) = said.questions
    for part in ("torch>=2.1 (about 200 MB", "antspyx>=0.5 (about 20 MB)", "a-package-nobody-has>=1 (about 1 MB)"):
        assert part in question
    assert asked == [(False, None, ">=2.1")]
    assert said.installed == [
        ["--no-deps", "--prefer-binary", "antspyx>=0.5"],
        ["--prefer-binary", "a-package-nobody-has>=1"],
    ]


def test_declining_installs_nothing(monkeypatch, requirements, nothing_installed):
    asked = torch_extension(monkeypatch, object())
    said = pip(monkeypatch, agrees=False)
    with pytest.raises(InputError, match="cannot run without torch>=2.1, antspyx>=0.5, a-package-nobody-has>=1"):
        dependencies.ensure_installed(requirements)
    assert said.installed == asked == []


def test_an_installation_of_torch_that_gives_none_is_told(monkeypatch, requirements, nothing_installed):
    torch_extension(monkeypatch, None)
    pip(monkeypatch, agrees=True)
    with pytest.raises(InputError, match="PyTorch was not installed"):
        dependencies.ensure_installed(requirements)


def test_without_the_extension_the_user_is_sent_there_and_not_asked(monkeypatch, requirements, nothing_installed):
    said = pip(monkeypatch, agrees=True)
    with pytest.raises(InputError, match="install the extension 'PyTorch'"):
        dependencies.ensure_installed(requirements)
    assert said.questions == []


def test_slicers_packaging_is_used_where_it_is_and_keeps_slicers_packages(
    monkeypatch, requirements, only_torch_installed
):
    calls = []
    pip(monkeypatch, agrees=True)
    a_module(monkeypatch, "slicer.packaging", pip_ensure=lambda wanted, **options: calls.append((wanted, options)))
    dependencies.ensure_installed(requirements)
    assert calls == [
        (
            [Requirement("antspyx>=0.5"), Requirement("a-package-nobody-has>=1")],
            {"requester": "CSAFusion", "skip_packages": ["numpy", "scipy", "simpleitk"], "prompt_install": False},
        )
    ]


def test_without_a_network_the_manual_way_is_told(monkeypatch, requirements, only_torch_installed):
    def fail(*_, **__):
        raise subprocess.CalledProcessError(1, "pip")

    pip(monkeypatch, agrees=True)
    monkeypatch.setattr(slicer.util, "pip_install", fail)
    with pytest.raises(InputError, match="Without a network, install it from a file as the README"):
        dependencies.ensure_installed(requirements)
