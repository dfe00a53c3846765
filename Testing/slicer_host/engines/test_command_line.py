"""A command-line module runs beside Slicer until it says that it has ended."""

from __future__ import annotations

import pytest
import slicer

from CSAFusionLib.errors import RegistrationError
from CSAFusionLib.registration.methods import TransformModel
from CSAFusionLib.slicer_host.engines.command_line import Brains
from Testing.host.scene import snapshot


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
