"""CSAFusionLib.fusion.result"""

from __future__ import annotations

import json
from dataclasses import replace
from types import SimpleNamespace

import numpy as np
import SimpleITK as sitk

import CSAFusionLib
from CSAFusionLib.fusion.device import Device
from CSAFusionLib.fusion.result import describe_run
from CSAFusionLib.fusion.settings import FusionSettings
from CSAFusionLib.registration.methods import Method, TransformModel
from CSAFusionLib.registration.quality.grading import Grade, Quality
from CSAFusionLib.registration.registration import Registration


def test_a_run_names_versions_weights_and_device_and_no_path(a_cpu: Device) -> None:
    weights = SimpleNamespace(name="mine.safetensors", sha256="ab" * 32)
    described = describe_run(FusionSettings(weights="/home/someone/mine.safetensors"), weights, a_cpu)
    text = json.dumps(described)
    assert described["versions"]["csafusion"] == CSAFusionLib.__version__
    assert described["weights"] == {"name": "mine.safetensors", "sha256": "ab" * 32}
    assert described["device"] == {"name": "cpu", "reason": "asked for"}
    assert "someone" not in text
    assert "not for diagnosis" in text


def test_a_linear_transform_is_given_as_its_matrix() -> None:
    turn = sitk.Euler3DTransform((10.0, 20.0, 30.0), 0.1, -0.2, 0.3, (4.0, 5.0, 6.0))
    described = Registration(turn, Method.SITK, TransformModel.RIGID, 1.23456, {"ncc": np.float32(0.5)}).describe()
    moved = np.array(described["matrix_lps_mm"]) @ [7, 8, 9, 1]
    np.testing.assert_allclose(moved[:3], turn.TransformPoint((7.0, 8.0, 9.0)), atol=1e-9)
    assert json.loads(json.dumps(described))["metric"] == {"ncc": 0.5}
    assert (described["method"], described["model"], described["seconds"]) == ("SITK", "RIGID", 1.235)


def test_the_verdict_is_given_by_word_and_reason_and_its_lack_too() -> None:
    unchecked = Registration(sitk.Euler3DTransform(), Method.BRAINS, TransformModel.RIGID, 1.0)
    assert unchecked.describe()["verdict"] is None
    checked = replace(unchecked, quality=Quality(Grade.BAD, "The transform folds space."))
    described = json.loads(json.dumps(checked.describe()))
    assert described["verdict"] == {"level": "bad", "reason": "The transform folds space."}


def test_a_deformation_has_no_matrix() -> None:
    field = sitk.DisplacementFieldTransform(sitk.Image([4, 4, 4], sitk.sitkVectorFloat64, 3))
    described = Registration(field, Method.ANTS, TransformModel.SYN, 1.0).describe()
    assert "matrix_lps_mm" not in described
    assert described["transform"] == "DisplacementFieldTransform"
