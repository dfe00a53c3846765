"""What a result was made with, as plain JSON values: no path and nothing of the patient."""

from __future__ import annotations

import platform
from typing import TYPE_CHECKING, Any

import SimpleITK as sitk

import CSAFusionLib
from CSAFusionLib.fusion.device import Device
from CSAFusionLib.fusion.settings import FusionSettings

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


def describe_run(settings: FusionSettings, weights: WeightsInfo | None, device: Device) -> dict[str, Any]:
    """Versions, settings, weights (None: no network was used) and device of a run."""
    # The weights may have been given as a path of this user's disk; name and checksum say more and give nothing away.
    chosen = settings.to_dict() | {"weights": weights.name if weights and settings.weights is not None else None}
    return {
        "notice": NOTICE,
        "versions": versions(),
        "settings": chosen,
        "weights": {"name": weights.name, "sha256": weights.sha256} if weights else {"name": "none", "sha256": ""},
        "device": {"name": device.torch_device, "reason": device.reason},
    }
