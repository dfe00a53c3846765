"""What holds for every program of Slicer's that registers: it leaves the scene as it was, however it ends."""

from __future__ import annotations

import time
from threading import Event

import numpy as np
import pytest
import SimpleITK as sitk

from CSAFusionLib.errors import InputError, RegistrationError
from CSAFusionLib.registration.methods import TransformModel
from CSAFusionLib.registration.preparation import prepare
from CSAFusionLib.slicer_host.engines import base
from CSAFusionLib.slicer_host.engines.base import last_line
from CSAFusionLib.slicer_host.engines.command_line import Brains, SlicerAnts
from CSAFusionLib.slicer_host.engines.slicer_elastix import SlicerElastix
from CSAFusionLib.slicer_host.volume_nodes import volume_from_node
from Testing.host.scene import OBLIQUE, a_blob_node, a_volume_node, snapshot

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
    monkeypatch.setattr(base, "ThreadPoolExecutor", ThreadPoolExecutor)
    monkeypatch.setattr(base, "prepare", lambda volume: go_on.wait(10) and prepare(volume))
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
