"""Which bundled weights serve for PET with CT, on the whole body of ``petct``: one patient, so a hint and no proof.

    python Testing/benchmarks/benchmark_petct.py ../shared/data
    python Testing/benchmarks/benchmark_petct.py ../shared/data --only spm_SPECT --weights new=runs/best.safetensors

A is the PET or SPECT, B the CT or MR, both in the windows that a fusion finds; every tenth axial slice that shows a
body, of a head every fourth voxel of 2 mm. The indicators are those of the evaluation; lesions are put into one
source at a time, and into both. White: the share of the head or body, in percent, whose fused value is white.
"""

from __future__ import annotations

import argparse
from pathlib import Path
from typing import get_args

import numpy as np
import SimpleITK as sitk

from CSAFusionLib.evaluation.clinical.lesions import Source, lesion_retention
from CSAFusionLib.evaluation.compared_methods import NetworkMethod
from CSAFusionLib.evaluation.fusion_methods import FusionMethod, average, maximum
from CSAFusionLib.fusion.settings import FusionSettings
from CSAFusionLib.fusion.source_pair import AlignedPair, SourcePair
from CSAFusionLib.metrics.measure import measure
from CSAFusionLib.volumes.reading import read_volume
from CSAFusionLib.weights.weights_file import load_network

_INDICATORS = ("SSIM sum", "EPI sum", "QNCIE", "FMI", "VIF", "QABF")
_BUNDLED = ("pet-mr", "spect-mr", "ct-mr", "t1-t2")
# The anatomical volume, the functional one, and every which slice.
_VOLUMES = {
    "petct": ("petct/CT", "petct/PET", 10),
    "spm_SPECT": ("templates/spm_T1", "templates/spm_SPECT", 4),
    "spm_PET": ("templates/spm_T1", "templates/spm_PET", 4),
    "pyapetnet": ("pyapetnet/T1_2000", "pyapetnet/PET_osem", 8),
}
_HEAD, _WHITE = 0.1, 0.985


def main() -> None:
    """Print a line for each method: the indicators, what is left of the lesions of either source, and of both."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("data", type=Path)
    parser.add_argument("--only", default="petct", choices=_VOLUMES, help="the volumes")
    parser.add_argument("--weights", action="append", metavar="[NAME=]WEIGHTS", help="once for each set")
    options = parser.parse_args()
    a, b = _slices(options.data / "volumes", *_VOLUMES[options.only])
    methods: dict[str, FusionMethod] = {"average": average, "maximum": maximum}
    for word in options.weights or _BUNDLED:
        name, _, weights = word.rpartition("=")
        methods[name or Path(word).stem] = NetworkMethod(load_network(weights)[0])
    print("| method |", " | ".join(_INDICATORS), "| lesions of A | of B | same sign | opposite signs | white, % |")
    for name, fuse in methods.items():
        fused = [fuse(one, other) for one, other in zip(a, b, strict=True)]
        figures = [measure(255 * x, 255 * y, 255 * f) for x, y, f in zip(a, b, fused, strict=True)]
        means = [f"{np.mean([figure[indicator] for figure in figures]):.3f}" for indicator in _INDICATORS]
        lesions = [lesion for one, other in zip(a, b, strict=True) for lesion in lesion_retention(fuse, one, other)]
        kept = [_retention([one.retention for one in lesions if one.source == kind]) for kind in get_args(Source)]
        white = np.mean(np.stack(fused)[np.maximum(a, b) > _HEAD] >= _WHITE)
        print(f"| {name} |", " | ".join([*means, *kept, f"{100 * white:.0f}"]), "|", flush=True)


def _slices(folder: Path, anatomical: str, functional: str, every: int) -> tuple[np.ndarray, np.ndarray]:
    """PET or SPECT and CT or MR on the latter's grid, (S, H, W) in [0, 1]."""
    volumes = (read_volume(folder / f"{name}.nii.gz") for name in (anatomical, functional))
    pair = AlignedPair.bring(SourcePair.settle(*volumes, FusionSettings()), sitk.Transform(3, sitk.sitkIdentity))
    shown = [index for index in range(0, len(pair.coverage), every) if pair.coverage[index].all()]
    return pair.moving.luminance[shown], pair.fixed.luminance[shown]


def _retention(values: list[float]) -> str:
    return f"{np.mean(values):.2f} ({np.quantile(values, 0.1):.2f})" if values else ""


if __name__ == "__main__":
    main()
