"""The pictures of a fused CT and MR and of a fused T1 and T2, of nobody's head, as `csafusion fuse --png` draws them.

    python Testing/benchmarks/picture_pairs.py Resources/Screenshots

The head is that of the example, made of formulas. In its white matter lies a ball of 16 mm: fresh blood on the CT,
which the T1 beside it does not show, and in the other pair an infarct, dark on the T1 and bright on the T2.
"""

from __future__ import annotations

import argparse
import subprocess
import sys
import tempfile
from collections.abc import Mapping
from functools import partial
from pathlib import Path

import numpy as np
import SimpleITK as sitk

from CSAFusionLib.example.head import head_tissues

T1 = {"fluid": 180.0, "grey": 520.0, "white": 700.0, "bone": 90.0, "scalp": 1100.0, "lesion": 700.0}
T1_OF_INFARCT = T1 | {"lesion": 420.0}
T2 = {"fluid": 1000.0, "grey": 440.0, "white": 330.0, "bone": 50.0, "scalp": 420.0, "lesion": 780.0}
CT = {"fluid": 5.0, "grey": 38.0, "white": 30.0, "bone": 900.0, "scalp": 10.0, "lesion": 72.0}
AIR_HU = -1000.0
NOISE = 4.0
NOISE_HU = 1.5
"""Less than a scanner has: noise is what makes a picture's file large."""


def simulated(
    tissues: Mapping[str, sitk.Image], values: Mapping[str, float], air: float, noise: float, seed: int
) -> sitk.Image:
    """A volume of a head, int16, from what it shows of each tissue and of air."""
    shares = {name: sitk.GetArrayFromImage(image) for name, image in tissues.items()}
    shares["white"] -= shares["lesion"]
    shown = air + sum((values[name] - air) * share for name, share in shares.items())
    shown = shown + np.random.default_rng(seed).normal(0, noise, shown.shape)
    image = sitk.GetImageFromArray(shown.clip(min=air).round().astype(np.int16))
    image.CopyInformation(tissues["grey"])
    return image


def main() -> None:
    """Write both pictures."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("folder", type=Path)
    folder = parser.parse_args().folder.resolve()
    head = partial(simulated, head_tissues())
    pairs = {
        "ct-mr": {"T1w": head(T1, 0.0, NOISE, 0), "ct": head(CT, AIR_HU, NOISE_HU, 1)},
        "t1-t2": {"T1w": head(T1_OF_INFARCT, 0.0, NOISE, 2), "T2w": head(T2, 0.0, NOISE, 3)},
    }
    for name, volumes in pairs.items():
        with tempfile.TemporaryDirectory() as scratch:
            paths = [Path(scratch) / f"head_{modality}.nii.gz" for modality in volumes]
            for path, image in zip(paths, volumes.values(), strict=True):
                sitk.WriteImage(image, str(path))
            picture = folder / f"{name}.png"
            picture.unlink(missing_ok=True)
            output = str(Path(scratch) / "fused.nii.gz")
            command = ["fuse", *map(str, paths), "-o", output, "--registration", "none", "--png", str(picture)]
            subprocess.run([sys.executable, "-m", "CSAFusionLib", *command], check=True)


if __name__ == "__main__":
    main()
