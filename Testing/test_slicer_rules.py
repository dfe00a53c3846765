"""What Slicer forbids or swallows in silence, read from the sources of the module."""

from __future__ import annotations

import ast
import re
import xml.etree.ElementTree as ElementTree
from pathlib import Path

import pytest

ROOT = Path(__file__).resolve().parents[1]
MODULE = ROOT / "CSAFusion" / "CSAFusion.py"
ROOM = ROOT / "CSAFusionLib" / "slicer_host"
SOURCES = [MODULE, *sorted(ROOM.rglob("*.py"))]
# Training runs outside Slicer, and reads its own checkpoints.
LIBRARY = [path for path in sorted((ROOT / "CSAFusionLib").rglob("*.py")) if "training" not in path.parts]
UI = ROOT / "CSAFusion" / "Resources" / "UI" / "CSAFusion.ui"

AT_FILE_SCOPE = {
    "contextlib",
    "logging",
    "sys",
    "time",
    "pathlib",
    "typing",
    "qt",
    "ctk",
    "vtk",
    "slicer",
    "numpy",
    "CSAFusionLib",
}


def tree(path: Path) -> ast.Module:
    return ast.parse(path.read_text(encoding="utf-8"))


def calls(node: ast.AST) -> list[ast.Call]:
    return [one for one in ast.walk(node) if isinstance(one, ast.Call)]


def name_of(call: ast.Call) -> str:
    return ast.unparse(call.func)


def test_the_module_file_imports_nothing_heavy_at_file_scope():
    imported = set()
    for node in tree(MODULE).body:
        if isinstance(node, ast.Import):
            imported |= {alias.name.split(".")[0] for alias in node.names}
        elif isinstance(node, ast.ImportFrom):
            imported.add(node.module.split(".")[0])
    assert imported <= AT_FILE_SCOPE


@pytest.mark.parametrize("path", LIBRARY + [MODULE], ids=lambda path: path.stem)
def test_no_torchscript_and_no_pickle_is_loaded(path):
    assert not {"torch.jit.load", "torch.load", "pickle.load", "pickle.loads"} & {
        name_of(one) for one in calls(tree(path))
    }


def test_no_function_is_longer_than_sixty_lines():
    for path in [*(ROOT / "CSAFusionLib").rglob("*.py"), MODULE]:
        functions = [node for node in ast.walk(tree(path)) if isinstance(node, ast.FunctionDef)]
        long = [one.name for one in functions if one.end_lineno - one.lineno >= 60]
        assert not long, f"{path.name}: {long}"


@pytest.mark.parametrize("path", SOURCES, ids=lambda path: path.stem)
def test_nothing_is_installed_at_file_scope(path):
    at_file_scope = [node for node in tree(path).body if not isinstance(node, ast.FunctionDef | ast.ClassDef)]
    called = {name_of(one) for node in at_file_scope for one in calls(node)}
    assert not [name for name in called if "pip" in name or "subprocess" in name or "install" in name]


def test_torch_is_never_installed_by_pip():
    listed = [path.read_text() for path in (ROOT / "CSAFusion" / "Resources").glob("requirements*.txt")]
    assert not [line for text in listed for line in text.splitlines() if line.startswith("torch")]


@pytest.mark.parametrize("path", SOURCES, ids=lambda path: path.stem)
def test_texts_for_translation_are_literals(path):
    for call in calls(tree(path)):
        if name_of(call) in ("_", "translate"):
            assert all(isinstance(argument, ast.Constant) for argument in call.args), ast.unparse(call)


@pytest.mark.parametrize("path", SOURCES, ids=lambda path: path.stem)
def test_sentences_of_errors_are_translated(path):
    raised = [call for call in calls(tree(path)) if name_of(call) in ("InputError", "RegistrationError")]
    plain = [call for call in raised if any(isinstance(one, ast.Constant | ast.JoinedStr) for one in call.args)]
    assert not plain, ast.unparse(plain[0])


def test_the_module_file_has_its_blocks_in_the_order_of_slicer():
    classes = [node.name for node in tree(MODULE).body if isinstance(node, ast.ClassDef)]
    assert classes == [f"CSAFusion{part}" for part in ("", "ParameterNode", "Widget", "Logic", "Test")]


def widgets() -> dict[str, ElementTree.Element]:
    return {element.get("name"): element for element in ElementTree.parse(UI).iter("widget")}


def dynamic(element: ElementTree.Element, name: str) -> str | None:
    found = [one for one in element.findall("property") if one.get("name") == name]
    return found[0].findtext("string") if found else None


def test_every_widget_the_code_names_is_in_the_ui_file():
    named = set()
    for path in SOURCES:
        text = path.read_text(encoding="utf-8")
        named |= set(re.findall(r"\b(?:self\._ui|self\.ui|ui)\.([a-z]\w+)", text))
    assert named <= set(widgets()), named - set(widgets())


def test_every_parameter_of_the_ui_file_is_one_of_the_parameter_node():
    (described,) = [node for node in tree(MODULE).body if getattr(node, "name", "") == "CSAFusionParameterNode"]
    parameters = {node.target.id for node in described.body if isinstance(node, ast.AnnAssign)}
    bound = {dynamic(element, "SlicerParameterName") for element in widgets().values()} - {None}
    assert bound <= parameters
    without_widget = {"registeredVolume", "contributionVolume", "sliceTable"}
    assert parameters - bound == without_widget


def test_every_node_selector_hears_of_the_scene():
    selectors = {name for name, element in widgets().items() if element.get("class") == "qMRMLNodeComboBox"}
    connected = {
        connection.findtext("receiver")
        for connection in ElementTree.parse(UI).iter("connection")
        if connection.findtext("signal") == "mrmlSceneChanged(vtkMRMLScene*)"
        and connection.findtext("slot") == "setMRMLScene(vtkMRMLScene*)"
    }
    assert selectors and connected == selectors


def test_the_top_widget_hands_the_scene_on():
    top = ElementTree.parse(UI).getroot().find("widget")
    assert top.get("class") == "qMRMLWidget"


def test_what_can_be_used_has_a_tooltip_and_a_place_in_the_keyboard_order():
    passive = {"QLabel", "QProgressBar", "QWidget", "qMRMLWidget"}
    used = {name: element for name, element in widgets().items() if element.get("class") not in passive}
    order = [element.text for element in ElementTree.parse(UI).iter("tabstop")]
    assert set(order) == set(used) and len(order) == len(set(order))
    active = {name for name, element in used.items() if element.get("class") != "ctkCollapsibleButton"}
    assert [name for name in sorted(active) if not dynamic(used[name], "toolTip")] == []
