"""Registration by Slicer's programs, here by strict stand-ins of them."""

from __future__ import annotations

import time
from concurrent.futures import Future
from threading import Event

import numpy as np
import pytest
import SimpleITK as sitk
import slicer

from CSAFusionLib.errors import InputError, RegistrationError
from CSAFusionLib.registration.preparation import prepare
from CSAFusionLib.registration.registration import Method, TransformModel
from CSAFusionLib.slicer_host import engines
from CSAFusionLib.slicer_host.engines import Brains, SlicerAnts, SlicerElastix, last_line
from CSAFusionLib.slicer_host.volume_nodes import volume_from_node
from Testing.host.scene import OBLIQUE, a_b_spline, a_blob_node, a_volume_node, snapshot


class AtOnce:
    """In place of a thread: done when asked to."""

    def __init__(self, threads: int) -> None:
        pass

    def submit(self, task, *arguments) -> Future:
        done: Future = Future()
        done.set_result(task(*arguments))
        return done

    def shutdown(self, wait: bool) -> None:
        pass


@pytest.fixture(autouse=True)
def prepared_at_once(monkeypatch):
    """The programs start with the registration; a test may still ask for the thread."""
    monkeypatch.setattr("CSAFusionLib.slicer_host.engines.ThreadPoolExecutor", AtOnce)


@pytest.fixture
def pair():
    """Volumes of two nodes of the user's, the moving one under a transform."""
    from CSAFusionLib.slicer_host.volume_nodes import volume_from_node
    from Testing.host.scene import a_blob_node, a_linear_transform_node, rotation

    fixed = a_blob_node("F")
    moving = a_blob_node("M", parent=a_linear_transform_node(rotation(20)), seed=1)
    return volume_from_node(fixed), volume_from_node(moving)


@pytest.fixture
def brainsfit(monkeypatch):
    from Testing.host.command_line_modules import install_brainsfit

    return install_brainsfit(monkeypatch)


@pytest.fixture
def slicer_ants(monkeypatch):
    from Testing.host.registration_extensions import install_slicer_ants

    return install_slicer_ants(monkeypatch)


@pytest.fixture
def elastix(monkeypatch, tmp_path):
    from Testing.host.registration_extensions import install_slicer_elastix

    return install_slicer_elastix(monkeypatch, tmp_path / "Elastix")


FOUND = sitk.Euler3DTransform((4.0, 5.0, 6.0), 0.1, -0.2, 0.05, (3.0, -4.0, 5.0))
ENGINES = {"brainsfit": Brains, "slicer_ants": SlicerAnts, "elastix": SlicerElastix}


@pytest.fixture(params=ENGINES)
def program(request):
    """One of the programs, as it is set by a test."""
    program = request.getfixturevalue(request.param)
    program.fixed_to_moving = FOUND
    return program


@pytest.fixture
def engine(request, program):
    return ENGINES[request.node.callspec.params["program"]]


def result_of(run):
    for _ in range(20):
        result = run.poll()
        if result is not None:
            return result
    raise AssertionError("the registration does not end")


def test_the_transform_goes_from_fixed_to_moving_points_in_lps(engine, program, pair):
    run = engine(*pair, TransformModel.RIGID)
    run.start()
    result = result_of(run)
    np.testing.assert_allclose(result.transform.TransformPoint((7, 8, 9)), FOUND.TransformPoint((7, 8, 9)), atol=1e-9)
    assert result.transform.IsLinear()
    assert (result.method, result.model) == (engine.method, TransformModel.RIGID)
    assert result.seconds > 0


def test_every_model_of_the_method_can_be_found(engine, program, pair):
    for model in engine.method.models:
        run = engine(*pair, model)
        run.start()
        assert result_of(run).model is model


def test_of_colour_the_luminance_is_registered(engine, program):
    colours = np.zeros((3, 4, 5, 3), np.uint8)
    colours[..., 1] = np.arange(60).reshape(3, 4, 5)
    colour = volume_from_node(a_volume_node("RGB", colours, OBLIQUE))
    grey = volume_from_node(a_blob_node("F"))
    run = engine(grey, colour, TransformModel.RIGID)
    run.start()
    result_of(run)
    images = program.asked[0]["images"]
    moving = (list(images.values()) if isinstance(images, dict) else images)[1]
    assert moving.ndim == 3 and moving.max() == pytest.approx(0.587 * 59, rel=0.01)


def test_after_success_the_scene_is_as_before(engine, program, pair):
    before = snapshot()
    run = engine(*pair, TransformModel.RIGID)
    run.start()
    added = set(snapshot()) - set(before)
    assert added
    result_of(run)
    assert snapshot() == before


def test_an_error_is_told_and_the_scene_is_as_before(engine, program, pair):
    before = snapshot()
    program.error = "itk::ExceptionObject\n  Description: all samples map outside the moving image  "
    run = engine(*pair, TransformModel.RIGID)
    run.start()
    with pytest.raises(RegistrationError, match="failed: Description: all samples map outside the moving image$"):
        result_of(run)
    assert snapshot() == before


def test_what_is_cancelled_gives_no_result_and_the_scene_is_as_before(engine, program, pair):
    before = snapshot()
    run = engine(*pair, TransformModel.RIGID)
    run.start()
    run.cancel()
    with pytest.raises(RegistrationError, match="was ended before it had a result"):
        result_of(run)
    assert snapshot() == before


def test_closing_the_scene_during_a_run_gives_no_result(engine, program, pair, scene):
    run = engine(*pair, TransformModel.RIGID)
    run.start()
    if hasattr(program, "between"):
        program.between = lambda: scene.Clear(False)
    else:
        scene.Clear(False)
    with pytest.raises(RegistrationError, match="was ended"):
        result_of(run)
    assert scene.GetNumberOfNodes() == 0


def test_a_run_that_cannot_be_started_leaves_nothing(engine, program, pair, monkeypatch):
    before = snapshot()

    def fail(*_):
        raise OSError("no process")

    monkeypatch.setattr(engine, "_launch", fail)
    with pytest.raises(OSError, match="no process"):
        engine(*pair, TransformModel.RIGID).start()
    assert snapshot() == before


@pytest.fixture
def slow_preparation(monkeypatch):
    """Volumes are prepared in a thread that the test lets go on."""
    from concurrent.futures import ThreadPoolExecutor

    go_on = Event()
    monkeypatch.setattr(engines, "ThreadPoolExecutor", ThreadPoolExecutor)
    monkeypatch.setattr(engines, "prepare", lambda volume: go_on.wait(10) and prepare(volume))
    yield go_on
    go_on.set()


def test_nobody_waits_while_the_volumes_are_prepared(engine, program, pair, slow_preparation):
    before = snapshot()
    run = engine(*pair, TransformModel.RIGID)
    began = time.monotonic()
    run.start()
    assert run.poll() is None and time.monotonic() - began < 0.2
    assert snapshot() == before and program.asked == []
    slow_preparation.set()
    run._prepared.result()
    assert result_of(run).transform.IsLinear() and snapshot() == before


def test_what_is_cancelled_before_its_program_runs_never_starts_it(engine, program, pair, slow_preparation):
    before = snapshot()
    run = engine(*pair, TransformModel.RIGID)
    run.start()
    run.cancel()
    slow_preparation.set()
    run._prepared.result()
    with pytest.raises(RegistrationError, match="was ended before it had a result"):
        result_of(run)
    assert snapshot() == before and program.asked == []


def test_a_model_it_cannot_find_is_refused_before_anything_runs(engine, program, pair):
    before = snapshot()
    other = next(model for model in TransformModel if model not in engine.method.models)
    with pytest.raises(RegistrationError, match="cannot find a 'Deformable"):
        engine(*pair, other).start()
    assert snapshot() == before and program.asked == []


def test_a_volume_that_cannot_be_registered_is_named(engine, program, pair):
    flat = volume_from_node(a_volume_node("Flat", np.zeros((3, 4, 5), "f4"), OBLIQUE))
    with pytest.raises(InputError, match="'Flat'"):
        engine(pair[0], flat, TransformModel.RIGID).start()
    assert program.asked == []


@pytest.mark.parametrize("engine", ENGINES.values(), ids=ENGINES)
def test_a_slicer_without_the_program_says_so(engine, pair, monkeypatch):
    monkeypatch.setattr(engine, "is_available", lambda *_: False)
    with pytest.raises(RegistrationError, match=f"^This Slicer has no {engine.program}"):
        engine(*pair, TransformModel.RIGID).start()


def test_the_reason_is_the_last_line_that_says_anything():
    assert last_line("first\n  second \n\n") == "second"
    assert last_line(" \n") == "it gave no reason."


@pytest.mark.parametrize("model", [TransformModel.RIGID, TransformModel.AFFINE, TransformModel.BSPLINE])
def test_the_phases_and_the_output_are_those_of_the_model(brainsfit, pair, model):
    Brains(*pair, model).start()
    (asked,) = brainsfit.asked
    phases = [asked[f"use{phase}"] for phase in ("Rigid", "Affine", "BSpline")]
    assert phases == [True, model is not TransformModel.RIGID, model is TransformModel.BSPLINE]
    output = "bsplineTransform" if model is TransformModel.BSPLINE else "linearTransform"
    assert asked[output].GetClassName() == f"vtkMRML{'BSpline' if 'spline' in output else 'Linear'}TransformNode"


def test_a_b_spline_comes_back_as_it_was_found(brainsfit, pair):
    brainsfit.fixed_to_moving = a_b_spline(pair[0].image)
    brainsfit.polls = 0
    run = Brains(*pair, TransformModel.BSPLINE)
    run.start()
    transform = run.poll().transform
    assert not transform.IsLinear()
    for index in ((2.0, 3.0, 1.0), (12.0, 10.0, 7.0), (24.0, 20.0, 12.5)):
        point = pair[0].image.TransformContinuousIndexToPhysicalPoint(index)
        found = brainsfit.fixed_to_moving.TransformPoint(point)
        np.testing.assert_allclose(transform.TransformPoint(point), found, atol=1e-9)
        assert np.linalg.norm(np.subtract(found, point)) > 0.1


def test_brainsfit_sees_the_volumes_where_they_are_and_not_the_users_nodes(brainsfit, pair, monkeypatch):
    seen = {}
    remember = brainsfit.run

    def run(parameters):
        for name in ("fixedVolume", "movingVolume"):
            seen[name] = volume_from_node(parameters[name])
            assert parameters[name].GetName() not in ("F", "M") and parameters[name].GetHideFromEditors()
        return remember(parameters)

    monkeypatch.setattr(brainsfit, "run", run)
    Brains(*pair, TransformModel.RIGID).start()
    for volume, name in zip(pair, ("fixedVolume", "movingVolume"), strict=True):
        # A registration may store the axes in another order: the same place in the patient is what counts.
        own, shown = (sitk.DICOMOrient(one.image, "LPS") for one in (volume, seen[name]))
        # The extremes are clamped before a registration.
        close = np.isclose(sitk.GetArrayFromImage(shown), sitk.GetArrayFromImage(own), atol=0.01)
        assert close.mean() > 0.99
        np.testing.assert_allclose(shown.GetOrigin(), own.GetOrigin(), atol=1e-9)
        np.testing.assert_allclose(shown.GetDirection(), own.GetDirection(), atol=1e-9)


EXTENSIONS = {Method.ANTS: SlicerAnts, Method.ELASTIX: SlicerElastix}


@pytest.fixture
def installed(monkeypatch) -> set[str]:
    """Names of packages; empty until a test adds some."""
    names: set[str] = set()
    monkeypatch.setattr(engines, "is_installed", lambda name: name in names)
    return names


@pytest.mark.parametrize("method", EXTENSIONS)
def test_the_package_is_preferred_to_the_extension(method, installed, slicer_ants, elastix):
    assert engines.engine_of(method) is EXTENSIONS[method]
    installed.add(engines.PACKAGES[method])
    assert engines.engine_of(method) is None and engines.has_package(method)


@pytest.mark.parametrize("method", EXTENSIONS)
def test_with_neither_a_method_cannot_be_used(method, installed, brainsfit):
    assert engines.engine_of(method) is None and not engines.is_usable(method)
    installed.add(engines.PACKAGES[method])
    assert engines.is_usable(method)


def test_brainsfit_is_slicers_own_and_is_never_left_to_the_child(installed, brainsfit, monkeypatch):
    assert engines.engine_of(Method.BRAINS) is Brains and engines.is_usable(Method.BRAINS)
    monkeypatch.setattr(Brains, "is_available", lambda: False)
    assert engines.engine_of(Method.BRAINS) is Brains and not engines.is_usable(Method.BRAINS)


@pytest.mark.parametrize("method", set(Method) - {Method.BRAINS, *EXTENSIONS}, ids=lambda method: method.name)
def test_every_other_method_is_the_childs(method, installed):
    assert engines.engine_of(method) is None and engines.is_usable(method)


def test_there_is_no_result_while_the_module_is_busy(brainsfit, pair):
    run = Brains(*pair, TransformModel.RIGID)
    run.start()
    assert [run.poll() for _ in range(brainsfit.polls)] == [None] * brainsfit.polls
    assert run.poll() is not None


def test_after_cancelling_the_nodes_stay_until_the_process_is_gone(brainsfit, pair):
    before = snapshot()
    run = Brains(*pair, TransformModel.RIGID)
    run.start()
    run.cancel()
    assert run.poll() is None
    assert snapshot() != before
    with pytest.raises(RegistrationError, match="was ended"):
        run.poll()
    assert snapshot() == before


def test_a_module_is_there_or_not(brainsfit, monkeypatch):
    assert Brains.is_available()
    monkeypatch.delattr(slicer.modules, "brainsfit")
    assert not Brains.is_available()


@pytest.mark.parametrize(
    ("model", "stages"),
    [
        (TransformModel.RIGID, ["Rigid"]),
        (TransformModel.AFFINE, ["Rigid", "Affine"]),
        (TransformModel.SYN, ["Rigid", "Affine", "SyN"]),
    ],
)
def test_the_stages_are_those_of_the_model(slicer_ants, pair, model, stages):
    SlicerAnts(*pair, model).start()
    (asked,) = slicer_ants.asked
    assert f"--transform {stages} " in asked["antsCommand"]


def test_an_extension_without_the_preset_is_told(slicer_ants, pair, monkeypatch):
    import antsRegistration

    monkeypatch.setattr(antsRegistration.PresetManager, "names", ("Rigid",))
    before = snapshot()
    with pytest.raises(RegistrationError, match="no preset 'QuickSyN'; update it"):
        SlicerAnts(*pair, TransformModel.SYN).start()
    assert snapshot() == before


@pytest.mark.parametrize(
    ("model", "files"),
    [
        (TransformModel.RIGID, ["Rigid"]),
        (TransformModel.AFFINE, ["Rigid", "Affine"]),
        (TransformModel.BSPLINE, ["Rigid", "BSpline"]),
    ],
)
def test_the_parameter_files_are_those_of_the_model_and_ask_for_a_transform_of_itk(elastix, pair, model, files):
    run = SlicerElastix(*pair, model)
    run.start()
    run.poll()
    texts = elastix.asked[0]["files"]
    assert [text.split('"')[1] for text in texts] == files
    assert all('(WriteITKCompositeTransform "true")' in text for text in texts)


def test_what_a_file_asks_for_already_is_not_asked_twice(elastix, pair):
    file = elastix.folder / "Resources" / "RegistrationParameters" / "Parameters_Rigid.txt"
    file.write_text('(WriteITKCompositeTransform "true")\n')
    run = SlicerElastix(*pair, TransformModel.RIGID)
    run.start()
    run.poll()
    text = elastix.asked[0]["files"][0]
    assert text.count("WriteITKCompositeTransform") == 1 and "ITKTransformOutputFileNameExtension" in text


def test_asked_meanwhile_it_says_that_it_runs_and_does_not_start_again(elastix, pair):
    run = SlicerElastix(*pair, TransformModel.RIGID)
    meanwhile = []
    elastix.between = lambda: meanwhile.append(run.poll())
    run.start()
    assert elastix.asked == []
    assert run.poll() is not None
    assert meanwhile == [None] * elastix.lines and len(elastix.asked) == 1


def test_cancelled_meanwhile_elastix_is_ended(elastix, pair):
    before = snapshot()
    run = SlicerElastix(*pair, TransformModel.RIGID)
    elastix.between = run.cancel
    run.start()
    with pytest.raises(RegistrationError, match="was ended"):
        run.poll()
    assert elastix.cancelled == 1 and snapshot() == before


def test_an_interruption_leaves_no_node(elastix, pair):
    def interrupt():
        raise KeyboardInterrupt

    before = snapshot()
    elastix.between = interrupt
    run = SlicerElastix(*pair, TransformModel.RIGID)
    run.start()
    with pytest.raises(KeyboardInterrupt):
        run.poll()
    run.cancel()
    with pytest.raises(RegistrationError, match="was ended"):
        run.poll()
    assert snapshot() == before
