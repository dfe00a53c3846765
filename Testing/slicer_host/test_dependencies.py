"""Packages are asked for when needed, and a refusal is one sentence. (Against stand-ins of Slicer's installers.)"""

from __future__ import annotations

import subprocess
import sys
from importlib.machinery import ModuleSpec
from types import ModuleType, SimpleNamespace

import pytest
import slicer.util

from CSAFusionLib.errors import InputError
from CSAFusionLib.slicer_host import dependencies


@pytest.fixture
def requirements(tmp_path):
    path = tmp_path / "requirements.txt"
    path.write_text("# a comment\nnumpy>=1.26\nantspyx>=0.5\na-package-nobody-has>=1\n")
    return path


@pytest.fixture
def nothing_installed(monkeypatch):
    monkeypatch.setattr(dependencies, "is_installed", lambda name: name == "numpy")


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


def test_torch_that_is_there_is_not_asked_for(monkeypatch):
    monkeypatch.setattr(dependencies, "is_installed", lambda name: True)
    asked = torch_extension(monkeypatch, None)
    dependencies.ensure_torch()
    assert asked == []


def test_torch_comes_through_its_extension_which_asks(monkeypatch, nothing_installed):
    asked = torch_extension(monkeypatch, object())
    dependencies.ensure_torch()
    assert asked == [(True, None, ">=2.1")]


def test_declining_torch_is_told(monkeypatch, nothing_installed):
    torch_extension(monkeypatch, None)
    with pytest.raises(InputError, match="PyTorch was not installed"):
        dependencies.ensure_torch()


def test_without_the_extension_the_user_is_sent_there(nothing_installed):
    with pytest.raises(InputError, match="install the extension 'PyTorch'"):
        dependencies.ensure_torch()


def test_slicers_packaging_is_used_where_it_is_and_keeps_slicers_packages(monkeypatch, requirements):
    calls = []

    def pip_ensure(wanted, *, requester, skip_packages):
        calls.append((wanted, requester, skip_packages))

    a_module(monkeypatch, "slicer.packaging", load_requirements=lambda path: [str(path)], pip_ensure=pip_ensure)
    dependencies.ensure_packages(requirements)
    assert calls == [([str(requirements)], "CSAFusion", ["numpy", "scipy", "simpleitk"])]


@pytest.mark.parametrize(
    ("error", "said"),
    [
        (RuntimeError("User declined"), "cannot run without x>=1"),
        (subprocess.CalledProcessError(1, "pip"), "not be inst"),
    ],
)
def test_a_refusal_or_failure_of_slicers_packaging_is_told(monkeypatch, requirements, error, said):
    def pip_ensure(*_, **__):
        raise error

    a_module(monkeypatch, "slicer.packaging", load_requirements=lambda path: ["x>=1"], pip_ensure=pip_ensure)
    with pytest.raises(InputError, match=said):
        dependencies.ensure_packages(requirements)


def pip(monkeypatch, agrees: bool) -> SimpleNamespace:
    said = SimpleNamespace(questions=[], installed=[])

    def confirm(text):
        said.questions.append(text)
        return agrees

    monkeypatch.setattr(slicer.util, "confirmOkCancelDisplay", confirm)
    monkeypatch.setattr(slicer.util, "pip_install", said.installed.append)
    return said


def test_an_older_slicer_is_asked_once_for_all_that_is_missing(monkeypatch, requirements, nothing_installed):
    said = pip(monkeypatch, agrees=True)
    dependencies.ensure_packages(requirements)
    assert len(said.questions) == 1 and "antspyx>=0.5, a-package-nobody-has>=1" in said.questions[0]
    assert said.installed == [
        ["--no-deps", "--prefer-binary", "antspyx>=0.5"],
        ["--prefer-binary", "a-package-nobody-has>=1"],
    ]


def test_declining_installs_nothing(monkeypatch, requirements, nothing_installed):
    said = pip(monkeypatch, agrees=False)
    with pytest.raises(InputError, match="cannot run without antspyx>=0.5, a-package-nobody-has>=1"):
        dependencies.ensure_packages(requirements)
    assert said.installed == []


def test_where_nothing_is_missing_nothing_is_asked(monkeypatch, requirements):
    monkeypatch.setattr(dependencies, "is_installed", lambda name: True)
    said = pip(monkeypatch, agrees=True)
    dependencies.ensure_packages(requirements)
    assert said.questions == []
