"""What a result was made with, as plain JSON values: no path and nothing of the patient."""

from __future__ import annotations

import math
import platform
from typing import TYPE_CHECKING, Any

import SimpleITK as sitk

import CSAFusionLib
from CSAFusionLib.fusion.device import Device
from CSAFusionLib.fusion.settings import FusionSettings
from CSAFusionLib.geometry.transform_algebra import linear_matrix
from CSAFusionLib.registration.result import RegistrationResult

if TYPE_CHECKING:
    from CSAFusionLib.weights.catalogue import WeightsInfo

NOTICE = "Research use only, not for diagnosis."


def versions() -> dict[str, str]:
    """Versions of this package and of what computes in it."""
    import torch

    return {
        "csafusion": CSAFusionLib.__version__,
        "torch": str(torch.__version__),
        "SimpleITK": sitk.Version.VersionString(),
        "python": platform.python_version(),
    }


def describe_run(settings: FusionSettings, weights: WeightsInfo, device: Device) -> dict[str, Any]:
    """Versions, settings, weights and device of a run."""
    # The weights may have been given as a path of this user's disk; name and checksum say more and give nothing away.
    chosen = settings.to_dict() | {"weights": None if settings.weights is None else weights.name}
    return {
        "notice": NOTICE,
        "versions": versions(),
        "settings": chosen,
        "weights": {"name": weights.name, "sha256": weights.sha256},
        "device": {"name": device.torch_device, "reason": device.reason},
    }


def describe_registration(result: RegistrationResult) -> dict[str, Any]:
    """Method, model, figures, quality and, when the transform is linear, its matrix from fixed to moving points."""
    described: dict[str, Any] = {
        "method": result.method.name,
        "model": None if result.model is None else result.model.name,
        "seconds": round(result.seconds, 3),
        # A figure that could not be computed is none.
        "metric": {name: float(value) for name, value in result.metric.items() if math.isfinite(value)},
        "verdict": result.quality and {"level": result.quality.grade.value, "reason": result.quality.reason},
        "transform": result.transform.GetName(),
    }
    for name, files in (("given", result.given), ("started_from", result.started_from)):
        if files:
            described[name] = [*files]
    if result.transform.IsLinear():
        described["matrix_lps_mm"] = linear_matrix(result.transform).tolist()
    return described
