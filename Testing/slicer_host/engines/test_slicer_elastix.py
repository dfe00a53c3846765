"""The extension SlicerElastix blocks, but Slicer's events are handled meanwhile. (Against the stand-in.)"""

from __future__ import annotations

import pytest

from CSAFusionLib.errors import RegistrationError
from CSAFusionLib.registration.methods import TransformModel
from CSAFusionLib.slicer_host.engines.slicer_elastix import SlicerElastix
from Testing.host.scene import snapshot


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
