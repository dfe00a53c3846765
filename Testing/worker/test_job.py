"""The worker: its job folder, its events, its process, its search for devices."""

from __future__ import annotations

import json
import os
import subprocess
import sys
import time
from pathlib import Path

import numpy as np
import pytest
import SimpleITK as sitk

from CSAFusionLib.errors import InputError
from CSAFusionLib.fusion.device import choose_device
from CSAFusionLib.fusion.result import FusionResult
from CSAFusionLib.fusion.settings import FusionSettings
from CSAFusionLib.intensity.mapping import Window
from CSAFusionLib.registration.quality.grading import Grade, Quality
from CSAFusionLib.registration.registration import Method, Registration, RegistrationMasks, TransformModel
from CSAFusionLib.volumes.volume import Volume
from CSAFusionLib.worker import run_job as main_module
from CSAFusionLib.worker.devices import DeviceQuestion, find_devices
from CSAFusionLib.worker.job import (
    Job,
    error_line,
    load_job,
    load_result,
    progress_line,
    result_line,
    save_job,
    save_result,
)

A_ROTATION = sitk.Euler3DTransform((1.0, 2.0, 3.0), 0.1, 0.2, 0.3, (4.0, 5.0, 6.0))


def an_oblique_image(components: int = 1) -> sitk.Image:
    rng = np.random.default_rng(0)
    shape = (3, 4, 5) if components == 1 else (3, 4, 5, components)
    image = sitk.GetImageFromArray(rng.integers(0, 255, shape).astype(np.uint8), isVector=components > 1)
    image.SetDirection(A_ROTATION.GetMatrix())
    image.SetSpacing((1 / 3, 0.7, 2.1))
    image.SetOrigin((-100.123456789012345, 7.5, 1e-3))
    return image


def test_registration_masks_travel(tmp_path):
    image = an_oblique_image()
    volumes = Volume(image, "A"), Volume(image, "B")
    assert not there_and_back(Job(*volumes, FusionSettings()), tmp_path).masks
    job = Job(*volumes, FusionSettings(), masks=RegistrationMasks.in_memory(None, image > 100))
    back = there_and_back(job, tmp_path).masks
    assert back.fixed is None and back.sources == ({"of": "moving", "format": "in memory"},)
    assert sitk.Hash(back.moving) == sitk.Hash(image > 100)


def there_and_back(job: Job, folder) -> Job:
    save_job(job, folder)
    return load_job(folder)


def a_field() -> sitk.Transform:
    field = sitk.GetImageFromArray(np.random.default_rng(1).normal(size=(4, 4, 4, 3)), isVector=True)
    return sitk.CompositeTransform([A_ROTATION, sitk.DisplacementFieldTransform(field)])


@pytest.mark.parametrize("components", [1, 3])
def test_voxels_and_geometry_are_the_same_to_the_last_bit(tmp_path, components):
    image = an_oblique_image(components)
    sheared = an_oblique_image(components)
    sheared.SetDirection((1, 0.28, 0, 0, 0.96, 0, 0, 0, 1))
    back = there_and_back(Job(Volume(image, "A", "CT"), Volume(sheared, "B"), FusionSettings()), tmp_path)
    assert (back.fixed.name, back.fixed.modality_hint, back.moving.modality_hint) == ("A", "CT", None)
    for before, after in ((image, back.fixed.image), (sheared, back.moving.image)):
        assert np.array_equal(sitk.GetArrayFromImage(before), sitk.GetArrayFromImage(after))
        assert after.GetPixelID() == before.GetPixelID()
        assert after.GetOrigin() == before.GetOrigin()
        np.testing.assert_allclose(after.GetSpacing(), before.GetSpacing(), rtol=1e-14)
        np.testing.assert_allclose(after.GetDirection(), before.GetDirection(), atol=1e-14)


def test_what_was_noted_on_reading_travels(tmp_path):
    noted = Volume(an_oblique_image(), "A", notes=("holds no orientation.", "is tilted."))
    back = there_and_back(Job(noted, Volume(an_oblique_image(), "B"), FusionSettings()), tmp_path)
    assert (back.fixed.notes, back.moving.notes) == (noted.notes, ())


def test_settings_travel_whole(tmp_path):
    settings = FusionSettings(fixed_window=Window(40, 80), colour_table="hot-iron", batch_size=2, seed=3)
    volume = Volume(an_oblique_image(), "A")
    assert there_and_back(Job(volume, volume, settings), tmp_path).settings == settings


@pytest.mark.parametrize("transform", [A_ROTATION, a_field()], ids=["rigid", "deformation"])
@pytest.mark.parametrize("model", [TransformModel.RIGID, None])
def test_a_given_registration_travels_with_its_transform(tmp_path, transform, model):
    given = Registration(transform, Method.ANTS, model, 1.25, {"mutual information": 0.5})
    volume = Volume(an_oblique_image(), "A")
    back = there_and_back(Job(volume, volume, FusionSettings(), given), tmp_path).registration
    assert (back.method, back.model, back.seconds, back.metric) == (given.method, model, 1.25, given.metric)
    for point in ((0.0, 0.0, 0.0), (1.2, 0.7, 2.9)):
        np.testing.assert_allclose(back.transform.TransformPoint(point), transform.TransformPoint(point), atol=1e-9)


@pytest.mark.parametrize("verdict", [None, Quality(Grade.DOUBTFUL, "They hardly overlap.")])
def test_a_registration_s_verdict_travels_and_none_stays_none(tmp_path, verdict):
    given = Registration(A_ROTATION, Method.BRAINS, TransformModel.RIGID, 1.0, quality=verdict)
    volume = Volume(an_oblique_image(), "A")
    assert there_and_back(Job(volume, volume, FusionSettings(), given), tmp_path).registration.quality == verdict


def test_a_registration_s_warnings_travel(tmp_path):
    given = Registration(A_ROTATION, Method.SITK, TransformModel.RIGID, 1.0, warnings=("They do not meet.",))
    volume = Volume(an_oblique_image(), "A")
    back = there_and_back(Job(volume, volume, FusionSettings(), given), tmp_path).registration
    assert back.warnings == given.warnings


def test_a_region_travels_and_none_stays_none(tmp_path):
    volume = Volume(an_oblique_image(), "A")
    region = an_oblique_image() > 100
    assert there_and_back(Job(volume, volume, FusionSettings()), tmp_path).region is None
    back = there_and_back(Job(volume, volume, FusionSettings(), region=region), tmp_path).region
    assert np.array_equal(sitk.GetArrayFromImage(back), sitk.GetArrayFromImage(region))


def test_the_wish_for_a_contribution_map_travels(tmp_path):
    volume = Volume(an_oblique_image(), "A")
    for wish in (False, True):
        assert there_and_back(Job(volume, volume, FusionSettings(), contribution=wish), tmp_path).contribution is wish


def test_a_result_travels_with_its_contribution_and_figures(tmp_path):
    image = sitk.Cast(an_oblique_image(), sitk.sitkFloat32)
    registration = Registration(A_ROTATION, Method.NONE, None, 0.5)
    for contribution in (None, image * 2):
        result = FusionResult(
            fused=image,
            fixed_mapped=image,
            moving_mapped=image,
            moving_on_grid=image,
            registration=registration,
            provenance={"a": 1},
            warnings=["w"],
            contribution=contribution,
            figures={"ssim_fixed": [0.5, float("nan")]},
        )
        folder = tmp_path / str(contribution is None)
        folder.mkdir()
        save_result(result, folder)
        back = load_result(folder)
        assert (back.contribution is None) == (contribution is None)
        assert back.figures["ssim_fixed"][0] == 0.5 and np.isnan(back.figures["ssim_fixed"][1])
        assert (back.provenance, back.warnings) == ({"a": 1}, ["w"])


def _description(folder) -> dict:
    given = Registration(A_ROTATION, Method.BRAINS, TransformModel.RIGID, 1.0, {"a": 1.0}, Quality(Grade.BAD, "It."))
    volume = Volume(an_oblique_image(), "A", "CT", ("is odd.",))
    save_job(Job(volume, volume, FusionSettings(fixed_window=Window(1, 2)), given), folder)
    return json.loads((folder / "job.json").read_text())


def _places(value, path=()):
    """The path of every value of nested dictionaries and lists."""
    yield path
    inner = value.items() if isinstance(value, dict) else enumerate(value) if isinstance(value, list) else ()
    for key, entry in inner:
        yield from _places(entry, (*path, key))


def _changed(value, path, new):
    if not path:
        return new
    copy = list(value) if isinstance(value, list) else dict(value)
    copy[path[0]] = _changed(value[path[0]], path[1:], new)
    return copy


ODD = (None, True, 0, -1, 1e400, float("nan"), "", "x", "../job.json", "\0", [], [1], {}, {"a": 1}, [[]])


@pytest.mark.parametrize("odd", ODD, ids=ascii)
def test_a_job_of_wrong_types_is_read_or_refused_in_a_sentence(tmp_path, odd):
    description = _description(tmp_path)
    for path in _places(description):
        (tmp_path / "job.json").write_text(json.dumps(_changed(description, path, odd)))
        try:
            load_job(tmp_path)
        except InputError as error:
            assert "\n" not in str(error)  # noqa: PT017


@pytest.mark.parametrize("text", ["", "[", "[]", "null", "{}", "[" * 10**5, "\ud800"])
def test_a_damaged_job_is_refused(tmp_path, text):
    (tmp_path / "job.json").write_bytes(text.encode("utf-8", "surrogatepass"))
    with pytest.raises(InputError, match="job"):
        load_job(tmp_path)


@pytest.mark.parametrize("name", ["fixed.nrrd", "moving.nrrd", "given_transform.h5"])
def test_a_job_whose_files_are_missing_is_refused(tmp_path, name):
    _description(tmp_path)
    (tmp_path / name).unlink()
    with pytest.raises(InputError, match="missing or damaged"):
        load_job(tmp_path)


@pytest.mark.parametrize("line", [progress_line("a\nstage", 1, 2), error_line("'Größe'\nis \"wrong\""), result_line()])
def test_an_event_is_one_line_of_json_that_any_console_can_write(line):
    assert "\n" not in line and line.isascii()
    assert "event" in json.loads(line)


ROOT = Path(__file__).resolve().parents[2]


def run(folder: Path, task: str) -> subprocess.CompletedProcess[str]:
    volume = Volume(sitk.GetImageFromArray(np.arange(8, dtype=np.float32).reshape(2, 2, 2)), "A")
    save_job(Job(volume, volume, FusionSettings()), folder)
    return subprocess.run(
        [sys.executable, "-m", "CSAFusionLib.worker.run_job", str(folder), f"child_tasks:{task}"],
        env=os.environ | {"PYTHONPATH": os.pathsep.join([str(ROOT), str(Path(__file__).parent)])},
        capture_output=True,
        text=True,
        check=False,
    )


def test_standard_output_holds_events_and_nothing_else(tmp_path):
    done = run(tmp_path, "chatter")
    events = [json.loads(line)["event"] for line in done.stdout.splitlines()]
    assert events == ["progress"] * 3 + ["result"]
    assert "a library prints from Python" in done.stderr and "prints from C++" in done.stderr
    assert load_result(tmp_path).fused.GetSize() == (2, 2, 2)


def test_a_refusal_is_an_event_and_a_clean_exit(tmp_path):
    done = run(tmp_path, "refuse")
    assert (done.returncode, done.stderr) == (0, "")
    assert json.loads(done.stdout)["message"] == "'A' cannot be fused; select another volume."


def test_a_failure_nobody_foresaw_is_a_traceback_and_an_exit_code(tmp_path):
    done = run(tmp_path, "fail")
    assert done.returncode == 1 and done.stdout == "" and "the disk is full" in done.stderr


def test_a_result_for_which_the_disk_has_no_room_is_a_sentence(tmp_path, monkeypatch):
    def full(*_):
        raise OSError(28, "No space left on device")

    monkeypatch.setattr(main_module, "save_result", full)
    with pytest.raises(InputError, match=r"could not be handed back .*No space left.*free disk space"):
        main_module._hand_back(None, tmp_path)


def test_the_child_finds_what_this_process_would_find():
    question = DeviceQuestion()
    question.start()
    assert question.poll() is None and question.is_open
    end = time.monotonic() + 60
    while question.is_open:
        answer = question.poll()
        assert time.monotonic() < end
        time.sleep(0.05)
    assert vars(answer) == find_devices()
    assert answer.automatic == choose_device("auto").torch_device and question.poll() is None


def test_a_child_that_fails_gives_no_answer(tmp_path):
    broken = tmp_path / "python"
    broken.write_text("#!/bin/sh\nexit 3\n")
    broken.chmod(0o755)
    question = DeviceQuestion(str(broken) if sys.platform != "win32" else sys.executable)
    question.start()
    question._process.wait()
    assert question.poll() is None and not question.is_open


def test_a_question_can_be_dropped():
    question = DeviceQuestion()
    question.start()
    process = question._process
    question.end()
    assert process.returncode is not None and not question.is_open
    question.end()
