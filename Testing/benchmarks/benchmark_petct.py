"""Which bundled weights serve for PET with CT, on the whole body of ``petct``: one patient, so a hint and no proof.

    python Testing/benchmarks/benchmark_petct.py ../shared/data

A is the PET, B the CT; every tenth axial slice that shows a body. The indicators are those of the evaluation; lesions
are put into one source at a time.
"""

from __future__ import annotations

import sys
from pathlib import Path

import numpy as np
import SimpleITK as sitk

from CSAFusionLib.evaluation.clinical.lesions import lesion_retention
from CSAFusionLib.evaluation.compared_methods import NetworkMethod
from CSAFusionLib.evaluation.fusion_methods import FusionMethod, average, maximum
from CSAFusionLib.fusion.settings import FusionSettings
from CSAFusionLib.fusion.source_pair import AlignedPair, SourcePair
from CSAFusionLib.metrics.measure import measure
from CSAFusionLib.volumes.reading import read_volume
from CSAFusionLib.weights.weights_file import load_network

_EVERY = 10
_INDICATORS = ("SSIM sum", "EPI sum", "QNCIE", "FMI", "VIF", "QABF")


def main() -> None:
    """Print a line for each method: the indicators, and what is left of lesions of the PET and of the CT."""
    a, b = _slices(Path(sys.argv[1]) / "volumes" / "petct")
    methods: dict[str, FusionMethod] = {"average": average, "maximum": maximum}
    methods |= {name: NetworkMethod(load_network(name)[0]) for name in ("pet-mr", "spect-mr", "ct-mr", "t1-t2")}
    print("| method |", " | ".join(_INDICATORS), "| lesions of PET | lesions of CT |")
    for name, fuse in methods.items():
        figures = [measure(255 * one, 255 * other, 255 * fuse(one, other)) for one, other in zip(a, b, strict=True)]
        means = [f"{np.mean([figure[indicator] for figure in figures]):.3f}" for indicator in _INDICATORS]
        lesions = [lesion for one, other in zip(a, b, strict=True) for lesion in lesion_retention(fuse, one, other)]
        kept = [_retention([one.retention for one in lesions if one.source == source]) for source in "AB"]
        print(f"| {name} |", " | ".join(means + kept), "|", flush=True)


def _slices(folder: Path) -> tuple[np.ndarray, np.ndarray]:
    """PET and CT on the CT's grid, (S, H, W) in [0, 1]."""
    volumes = read_volume(folder / "CT.nii.gz"), read_volume(folder / "PET.nii.gz")
    pair = AlignedPair.bring(SourcePair.settle(*volumes, FusionSettings()), sitk.Transform(3, sitk.sitkIdentity))
    shown = [index for index in range(0, len(pair.coverage), _EVERY) if pair.coverage[index].all()]
    return pair.moving.luminance[shown], pair.fixed.luminance[shown]


def _retention(values: list[float]) -> str:
    return f"{np.mean(values):.2f} ({np.quantile(values, 0.1):.2f})"


if __name__ == "__main__":
    main()
