"""CSAFusionLib.worker.devices"""

from __future__ import annotations

import sys
import time

from CSAFusionLib.fusion.device import choose_device
from CSAFusionLib.worker.devices import DeviceQuestion, find_devices


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
