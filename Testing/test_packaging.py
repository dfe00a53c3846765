"""What is packaged, and what is loaded when: the rules of Slicer's build and of its start-up."""

from __future__ import annotations

import ast
import importlib
import json
import re
import shutil
import struct
import subprocess
import sys
from pathlib import Path

import pytest

ROOT = Path(__file__).resolve().parents[1]
HEAVY = ("torch", "monai", "ants", "scipy", "skimage", "pandas", "matplotlib", "nilearn", "typer")
OF_SLICER = {"slicer", "vtk", "vtkmodules", "qt", "ctk", "PythonQt"}


def tracked(folder: str) -> list[str]:
    """The files of a folder that git tracks, relative to it, sorted."""
    if shutil.which("git") is None or not (ROOT / ".git").exists():
        pytest.skip("what git tracks can only be asked in a checkout")
    listed = subprocess.run(["git", "ls-files", folder], cwd=ROOT, capture_output=True, text=True, check=True)
    return sorted(line.removeprefix(f"{folder}/") for line in listed.stdout.splitlines())


MACRO = """
macro(slicerMacroBuildScriptedModule)
  cmake_parse_arguments(GIVEN "WITH_GENERIC_TESTS;WITH_SUBDIR" NAME "SCRIPTS;RESOURCES" ${ARGN})
  foreach(file ${GIVEN_SCRIPTS} ${GIVEN_RESOURCES})
    get_filename_component(folder ${file} DIRECTORY)
    set(below)
    if(GIVEN_WITH_SUBDIR)
      get_filename_component(below ${CMAKE_CURRENT_SOURCE_DIR} NAME)
    endif()
    install(FILES ${file} DESTINATION ./${below}/${folder})
  endforeach()
endmacro()
"""
"""What Slicer's macro of this name installs, and where."""


@pytest.fixture(scope="module")
def installed(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The folder of scripted modules that CMake fills from the lists of the repository."""
    cmake = pytest.importorskip("cmake", reason="CMake (the package cmake) is not installed")
    folder = tmp_path_factory.mktemp("build")
    rooms = [f'add_subdirectory("{(ROOT / name).as_posix()}" {name})' for name in ("CSAFusion", "CSAFusionLib")]
    project = "\n".join(["cmake_minimum_required(VERSION 3.16)", "project(Extension NONE)", MACRO, *rooms])
    (folder / "CMakeLists.txt").write_text(project, encoding="utf-8")
    program = Path(cmake.CMAKE_BIN_DIR) / "cmake"
    # Nothing is compiled, so any program will do as make.
    configure = [program, "-G", "Unix Makefiles", f"-DCMAKE_MAKE_PROGRAM={sys.executable}", "-S", folder, "-B", folder]
    for command in (configure, [program, "--install", folder, "--prefix", folder / "installed"]):
        subprocess.run(command, capture_output=True, check=True)
    return folder / "installed"


def files_below(folder: Path) -> set[str]:
    return {path.relative_to(folder).as_posix() for path in folder.rglob("*") if path.is_file()}


def test_slicer_gets_the_module_and_the_rooms_it_runs_and_no_other_file(installed):
    module = {name for name in tracked("CSAFusion") if name != "CMakeLists.txt"}
    left_out = re.compile(r"CMakeLists.txt|(cli/development|demo|evaluation|losses|metrics|training)/.*")
    library = {f"CSAFusionLib/{name}" for name in tracked("CSAFusionLib") if not left_out.fullmatch(name)}
    assert files_below(installed) == module | library


def test_what_slicer_gets_imports_without_the_rest(installed):
    files = sorted(name for name in files_below(installed) if name.endswith(".py") and "__" not in name)
    modules = [name.removesuffix(".py").replace("/", ".") for name in files if "/slicer_host/" not in name]
    modules.remove("CSAFusion")
    told = f"import importlib; [importlib.import_module(name) for name in {modules}]; import CSAFusionLib as found"
    code = f"import sys; sys.path[0] = {str(installed)!r}; {told}; print(found.__file__)"
    done = subprocess.run([sys.executable, "-c", code], cwd=installed, capture_output=True, text=True, check=False)
    assert done.stdout.strip() == str(installed / "CSAFusionLib" / "__init__.py"), done.stderr


def test_no_file_that_slicer_gets_names_a_room_that_it_does_not_get(installed):
    left_out = re.compile(r"(?:from|import) CSAFusionLib\.(cli\.development|demo|evaluation|losses|metrics|training)\b")
    for path in installed.rglob("*.py"):
        assert not left_out.search(path.read_text(encoding="utf-8")), path.name


def test_the_command_that_slicer_gets_offers_what_it_can_do(installed):
    command = [sys.executable, "-m", "CSAFusionLib", "--help"]
    done = subprocess.run(command, cwd=installed, capture_output=True, text=True, check=True)
    offered = set(re.findall(r"^  (\w+) ", done.stdout, re.MULTILINE))
    assert {"fuse", "register"} <= offered and offered.isdisjoint({"train", "evaluate", "ablate", "average", "demo"})


def test_slicer_finds_one_module_and_no_helper_beside_it():
    assert [path.name for path in (ROOT / "CSAFusion").glob("*.py")] == ["CSAFusion.py"]


def imported_by(path: Path) -> set[str]:
    names: set[str] = set()
    for node in ast.walk(ast.parse(path.read_text(encoding="utf-8"))):
        if isinstance(node, ast.Import):
            names |= {alias.name.split(".")[0] for alias in node.names}
        elif isinstance(node, ast.ImportFrom) and node.module:
            names.add(node.module.split(".")[0])
    return names


def test_only_one_room_of_the_backend_knows_slicer():
    library = ROOT / "CSAFusionLib"
    knowing = {path.relative_to(library).parts[0] for path in library.rglob("*.py") if imported_by(path) & OF_SLICER}
    assert knowing == {"slicer_host"}


# A volume passes through these in their order; the first two describe it and where it lies, and know each other.
IN_ORDER = ("volumes", "geometry", "intensity", "network", "weights", "registration", "fusion", "worker", "api", "cli")
OF_OURS = re.compile(r"(?:from|import) CSAFusionLib\.(\w+)")


@pytest.mark.parametrize("room", IN_ORDER[:-2])
def test_a_room_imports_from_no_later_one(room: str) -> None:
    later = IN_ORDER[max(IN_ORDER.index(room) + 1, 2) :]
    files = (ROOT / "CSAFusionLib" / room).rglob("*.py")
    assert not {name for path in files for name in OF_OURS.findall(path.read_text("utf-8"))} & {*later}


def loaded_after(statements: str) -> list[str]:
    """The heavy modules that a fresh interpreter has loaded after some statements."""
    code = f"{statements}\nimport sys\nprint([name for name in {HEAVY} if name in sys.modules])"
    done = subprocess.run([sys.executable, "-c", code], cwd=ROOT, capture_output=True, text=True, check=True)
    return ast.literal_eval(done.stdout.splitlines()[-1])


@pytest.mark.parametrize(
    "path",
    [
        "errors.CSAFusionError",
        "errors.InputError",
        "volumes.reading.read_volume",
        "volumes.checking.check_volume",
        "network.configuration.NetworkConfiguration",
        "network.csafusion.CSAFusion",
        "weights.weights_file.save_weights",
        "fusion.slices",
        "registration.register",
    ],
)
def test_import_paths_that_scripts_of_others_use_stay(path):
    module, _, name = path.rpartition(".")
    found = importlib.import_module(f"CSAFusionLib.{module}")
    assert hasattr(found, name) or importlib.import_module(f"CSAFusionLib.{path}")


def test_importing_the_backend_loads_nothing_heavy():
    assert loaded_after("import CSAFusionLib") == []


def test_slicers_own_process_talks_to_the_worker_without_torch():
    assert "torch" not in loaded_after("import CSAFusionLib.worker.launch, CSAFusionLib.fusion.settings")


def test_the_module_file_loads_nothing_heavy_when_slicer_starts():
    pytest.importorskip("slicer", reason="slicer-core (Slicer's MRML libraries) is not installed")
    statements = """
import pytest, slicer
slicer.mrmlScene = slicer.vtkMRMLScene()
from Testing.host.application import load_module
with pytest.MonkeyPatch.context() as monkeypatch:
    load_module(monkeypatch)
    slicer.app.end()
"""
    assert loaded_after(statements) == []


def test_the_module_file_starts_in_less_than_fifty_milliseconds():
    pytest.importorskip("slicer", reason="slicer-core (Slicer's MRML libraries) is not installed")
    code = """
import time
import pytest, slicer
slicer.mrmlScene = slicer.vtkMRMLScene()
from Testing.host import application
with pytest.MonkeyPatch.context() as monkeypatch:
    execute, times = application._execute, []
    def timed(monkeypatch):
        began = time.process_time()
        execute(monkeypatch)
        times.append(time.process_time() - began)
    application._execute = timed
    application.load_module(monkeypatch)
    print(times[0])
    slicer.app.end()
"""
    done = subprocess.run([sys.executable, "-c", code], cwd=ROOT, capture_output=True, text=True, check=True)
    assert float(done.stdout.splitlines()[-1]) < 0.05


def cmake_value(name: str) -> str:
    found = re.search(rf'^set\({name} "([^"]*)"\)', (ROOT / "CMakeLists.txt").read_text(), re.MULTILINE)
    assert found, f"{name} is not spelt as the extension index reads it"
    return found.group(1)


def test_the_index_entry_agrees_with_the_build():
    entry = json.loads((ROOT / "Resources" / "CSAFusion.json").read_text())
    assert "project(CSAFusion)" in (ROOT / "CMakeLists.txt").read_text()
    assert entry["build_dependencies"] == cmake_value("EXTENSION_DEPENDS").split()
    assert entry["category"] == cmake_value("EXTENSION_CATEGORY")
    assert entry["scm_url"] == cmake_value("EXTENSION_HOMEPAGE") + ".git"
    assert entry.keys() == {
        "$schema", "build_dependencies", "build_subdirectory", "category", "scm_revision", "scm_url", "tier",
    }  # fmt: skip


def test_the_icon_of_the_extension_is_there_in_the_size_of_the_index():
    file = ROOT / cmake_value("EXTENSION_ICONURL").split("/main/")[1]
    assert struct.unpack(">II", file.read_bytes()[16:24]) == (128, 128)


def test_the_names_are_those_the_index_asks_for():
    (entry,) = (ROOT / "Resources").glob("*.json")
    cmake = (ROOT / "CMakeLists.txt").read_text()
    assert f"project({entry.stem})" in cmake
    assert json.loads(entry.read_text())["scm_url"].rsplit("/", 1)[1].startswith("Slicer")
    lists = [(ROOT / folder / "CMakeLists.txt").read_text() for folder in ("CSAFusion", "CSAFusionLib")]
    assert all("slicerMacroBuildScriptedModule(" in text for text in lists) and "WITH_GENERIC_TESTS" in lists[0]
    assert "slicer_add_python_unittest(SCRIPT ${MODULE_NAME}.py)" in lists[0]


def test_every_screenshot_is_there():
    urls = cmake_value("EXTENSION_SCREENSHOTURLS").split()
    assert len(urls) >= 2
    for url in urls:
        file = ROOT / url.split("/main/")[1]
        width, height = struct.unpack(">II", file.read_bytes()[16:24])
        assert min(width, height) >= 400 and file.stat().st_size < 2**20


def test_the_checkout_is_small_and_its_licence_is_named_in_the_readme():
    files = [ROOT / name for name in tracked(".")]
    assert sum(file.stat().st_size for file in files if file.exists()) < 100 * 2**20
    assert (ROOT / "LICENSE.txt").read_text().lstrip().startswith("Apache License")
    assert "[LICENSE.txt](LICENSE.txt)" in (ROOT / "README.md").read_text()


IN_NIIVUES_BUNDLE = {
    "@lukeed/uuid": "lukeed.com",
    "@ungap/structured-clone": "Andrea Giammarchi",
    "array-equal": "Jonathan Ong",
    "fflate": "Arjun Barrett",
    "gl-matrix": "Brandon Jones",
    "nifti-reader-js": "",
    "numcodecs": "Trevor Manz",
    "zarrita": "Trevor Manz",
    "@zarrita/storage": "Trevor Manz",
    "Blosc": "Francesc Alted",
    "FastLZ": "Ariya Hidayat",
    "LZ4": "Yann Collet",
    "Snappy": "2011, Google Inc.",
    "zlib": "Mark Adler",
    "Zstandard": "Meta Platforms",
    "Emscripten": "Emscripten authors",
    "musl": "Rich Felker",
    "libc++": "LLVM Exceptions",
    "Roboto": "2011 Google Inc.",
}
"""The parts of the viewer's file, compiled ones too, and who holds the copyright."""


def test_the_wheel_has_a_notice_of_every_part_of_niivues_bundle(tmp_path):
    pytest.importorskip("setuptools", reason="setuptools, which builds the wheel, is not installed")
    build = "from setuptools import setup; setup()"
    words = ["egg_info", "--egg-base", str(tmp_path), "build_py", "--build-lib", str(tmp_path / "built")]
    subprocess.run([sys.executable, "-c", build, "--quiet", *words], cwd=ROOT, capture_output=True, check=True)
    folder = tmp_path / "built" / "CSAFusionLib" / "qc" / "niivue"
    assert (folder / "niivue.umd.js").exists()
    sections = re.split(r"^---- ", (folder / "LICENSE.txt").read_text(encoding="utf-8"), flags=re.MULTILINE)[1:]
    for part, holder in IN_NIIVUES_BUNDLE.items():
        assert any(section.startswith(part) and holder in section for section in sections), part


def test_the_readme_has_what_a_review_of_the_index_asks_for():
    text = (ROOT / "README.md").read_text()
    pictures = re.findall(r"!\[[^]]+\]\(([^)]+)\)", text)
    assert len(pictures) >= 2 and all((ROOT / picture).is_file() for picture in pictures)
    for part in ("Research use only", "Please cite", "Sample Data", "how to remove it", "Without a network"):
        assert part in text


@pytest.mark.parametrize("name", ["requirements.txt", "requirements-ants.txt"])
def test_requirements_are_lower_bounds_and_leave_slicers_packages_alone(name):
    lines = (ROOT / "CSAFusion" / "Resources" / name).read_text().splitlines()
    wanted = [line for line in lines if not line.startswith("#")]
    assert wanted and all(re.fullmatch(r"[a-z0-9-]+>=[0-9.]+", line) for line in wanted)
    assert not {line.split(">=")[0] for line in wanted} & {"torch", "numpy", "scipy", "simpleitk"}


def project_table() -> dict:
    tomllib = pytest.importorskip("tomllib", reason="Python reads TOML from 3.11 on")
    return tomllib.loads((ROOT / "pyproject.toml").read_text())["project"]


def recipe(section: str) -> list[str]:
    """The lines of a section of the Apptainer recipe, without their indentation."""
    text = (ROOT / "Docs" / "how-to" / "csafusion.def").read_text()
    found = re.search(rf"^%{section}\n(.*?)(?=^%|\Z)", text, re.MULTILINE | re.DOTALL)
    assert found is not None, f"the recipe has no %{section}"
    return [line.strip() for line in found[1].splitlines() if line.strip()]


def test_the_apptainer_recipe_copies_what_the_package_is_built_from_and_nothing_else():
    copied = dict(line.split() for line in recipe("files"))
    assert all(target == f"/opt/csafusion/{source}" for source, target in copied.items())
    project = project_table()
    needed = {"pyproject.toml", "constraints.txt", "CSAFusionLib", project["readme"], *project["license-files"]}
    assert set(copied) == needed
    assert all((ROOT / source).exists() for source in copied)


def test_the_apptainer_recipe_installs_extras_and_runs_commands_that_there_are():
    project = project_table()
    asked = re.search(r'"/opt/csafusion\[([\w,]+)\]"', " ".join(recipe("post")))
    assert asked is not None and set(asked[1].split(",")) <= set(project["optional-dependencies"])
    assert "-c /opt/csafusion/constraints.txt" in " ".join(recipe("post"))
    commands = [line.split()[0] for line in recipe("test")] + [recipe("runscript")[0].split()[1]]
    assert set(commands) <= set(project["scripts"])
    lowest = tuple(map(int, re.findall(r"\d+", project["requires-python"])))
    header = (ROOT / "Docs" / "how-to" / "csafusion.def").read_text().splitlines()[:2]
    assert header[0] == "Bootstrap: docker"
    assert tuple(map(int, re.findall(r"python:(\d+)\.(\d+)", header[1])[0])) >= lowest
