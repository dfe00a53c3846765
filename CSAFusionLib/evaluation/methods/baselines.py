"""The baselines by the names the tables use."""

from __future__ import annotations

from CSAFusionLib.errors import InputError
from CSAFusionLib.evaluation.methods import FusionMethod
from CSAFusionLib.evaluation.methods.guided_filter import guided_filter
from CSAFusionLib.evaluation.methods.joint_bilateral import joint_bilateral
from CSAFusionLib.evaluation.methods.laplacian_pyramid import laplacian_pyramid
from CSAFusionLib.evaluation.methods.pointwise import average, brighter_average, maximum
from CSAFusionLib.evaluation.methods.wavelet import wavelet

BASELINES: dict[str, FusionMethod] = {
    "average": average,
    "brighter average": brighter_average,
    "maximum": maximum,
    "Laplacian pyramid": laplacian_pyramid,
    "DWT": wavelet,
    "guided filter": guided_filter,
    "INS (reimplemented)": joint_bilateral,
}

_FORMER_NAMES = {"INS": "INS (reimplemented)"}


def baselines_named(names: list[str]) -> dict[str, FusionMethod]:
    """Return the baselines of these names.

    Raises:
        InputError: naming the first that there is none of.
    """
    names = [_FORMER_NAMES.get(name, name) for name in names]
    for name in names:
        if name not in BASELINES:
            raise InputError(f"There is no baseline named '{name}'; choose from {', '.join(BASELINES)}.")
    return {name: BASELINES[name] for name in names}
