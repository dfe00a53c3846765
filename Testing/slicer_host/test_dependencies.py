"""Packages are asked for when needed, and a refusal is one sentence. (Against stand-ins of Slicer's installers.)"""

from __future__ import annotations

import subprocess
import sys
from importlib.machinery import ModuleSpec
from importlib.metadata import version
from types import ModuleType, SimpleNamespace

import pytest
import slicer
import slicer.util

from CSAFusionLib.errors import InputError
from CSAFusionLib.slicer_host import dependencies
from Testing.host.packaging import install_packaging


@pytest.fixture
def requirements(tmp_path):
    path = tmp_path / "requirements.txt"
    path.write_text("# a comment\nnumpy>=1.26\nantspyx>=0.5\na-package-nobody-has>=1\n")
    return [path]


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


@pytest.fixture
def said(monkeypatch) -> SimpleNamespace:
    """What the user is asked and agrees to, what the old pip installs, and how installations ended."""
    said = SimpleNamespace(questions=[], installed=[], ends=[], agrees=True)

    def confirm(text):
        said.questions.append(text)
        return said.agrees

    monkeypatch.setattr(slicer.util, "confirmOkCancelDisplay", confirm)
    monkeypatch.setattr(slicer.util, "pip_install", said.installed.append)
    monkeypatch.setattr(slicer, "app", SimpleNamespace(testingEnabled=lambda: False), raising=False)
    return said


WANTED = ["torch>=2.1", "antspyx>=0.5", "a-package-nobody-has>=1"]
DECLINED = "Nothing runs without {packages}."


def test_what_is_missing_is_told_torch_first(requirements, nothing_installed):
    assert dependencies.missing_from(requirements) == WANTED
    assert dependencies.missing_from(requirements, with_torch=False) == WANTED[1:]


def test_there_is_one_question_for_all_that_is_missing_with_sizes(monkeypatch, said):
    torch_extension(monkeypatch, object())
    dependencies.ask_to_install(WANTED, DECLINED)
    (question,) = said.questions
    for part in ("torch>=2.1 (about 200 MB", "antspyx>=0.5 (about 20 MB)", "a-package-nobody-has>=1 (about 1 MB)"):
        assert part in question


def test_declining_is_told_in_the_words_of_who_asked(monkeypatch, said):
    torch_extension(monkeypatch, object())
    said.agrees = False
    with pytest.raises(InputError, match="^Nothing runs without torch>=2.1, antspyx>=0.5, a-package-nobody-has>=1.$"):
        dependencies.ask_to_install(WANTED, DECLINED)


def test_without_the_extension_the_user_is_sent_there_and_not_asked(said):
    with pytest.raises(InputError, match="install the extension 'PyTorch'"):
        dependencies.ask_to_install(WANTED, DECLINED)
    assert said.questions == []


def test_before_slicer_5_12_pip_is_waited_for(monkeypatch, said):
    asked = torch_extension(monkeypatch, object())
    dependencies.install(WANTED, said.ends.append)
    assert asked == [(False, None, ">=2.1")] and said.ends == [""]
    assert said.installed == [
        ["--no-deps", "--prefer-binary", "antspyx>=0.5"],
        ["--prefer-binary", "a-package-nobody-has>=1"],
    ]


def test_an_installation_of_torch_that_gives_none_is_told(monkeypatch, said):
    torch_extension(monkeypatch, None)
    dependencies.install(WANTED, said.ends.append)
    assert said.ends == ["PyTorch was not installed; the fusion cannot run without it."] and said.installed == []


def test_slicers_packaging_installs_beside_slicer_and_replaces_none_of_slicers_packages(monkeypatch, said):
    packaging = install_packaging(monkeypatch)
    dependencies.install(WANTED[1:], said.ends.append)
    (asked,) = packaging.asked
    assert said.ends == [] and said.installed == []
    assert asked["requirements"] == ["--prefer-binary", "a-package-nobody-has>=1"]
    assert asked["without_pins"] == ["antspyx>=0.5"]
    assert f"numpy=={version('numpy')}\n" in asked["constraints"] and "simpleitk==" in asked["constraints"]
    packaging.finish()
    assert said.ends == [""]


def test_while_another_module_installs_nothing_is_asked(monkeypatch, said):
    install_packaging(monkeypatch).pip_install(["other"], blocking=False, completedCallback=print)
    with pytest.raises(InputError, match="Slicer is installing other Python packages"):
        dependencies.ask_to_install(WANTED[1:], DECLINED)
    assert said.questions == []


def test_in_testing_mode_nothing_is_installed(monkeypatch, said):
    packaging = install_packaging(monkeypatch)
    slicer.app.testingEnabled = lambda: True
    dependencies.install(WANTED[1:], said.ends.append)
    assert packaging.asked == [] and "testing mode" in said.ends[0]


@pytest.mark.parametrize("beside", [True, False], ids=["beside", "waited for"])
def test_without_a_network_the_manual_way_is_told(monkeypatch, said, beside):
    def fail(*_, **__):
        raise subprocess.CalledProcessError(1, "pip")

    monkeypatch.setattr(slicer.util, "pip_install", fail)
    packaging = install_packaging(monkeypatch) if beside else None
    dependencies.install(WANTED[1:], said.ends.append)
    if packaging:
        packaging.finish(1)
    (end,) = said.ends
    assert "Without a network, install it from a file as the README" in end
