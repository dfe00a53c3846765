"""The evaluation's picture of lesions that only one source shows, fused by several methods.

    python Testing/benchmarks/picture_lesions.py Resources/Screenshots/lesions.png

The MR is the demo's template, the PET is simulated from it; the lesions are those of `csafusion evaluate`.
"""

from __future__ import annotations

import argparse
from pathlib import Path

import numpy as np
import SimpleITK as sitk
from PIL import Image

from CSAFusionLib.cli.development.demo import read_t1, read_tissue
from CSAFusionLib.cli.montage import bounding_box, sheet
from CSAFusionLib.evaluation.clinical.lesions import insert, place_lesions
from CSAFusionLib.evaluation.compared_methods import BUNDLED, by_weights
from CSAFusionLib.evaluation.fusion_methods import BASELINES
from CSAFusionLib.example.head import simulate_pet
from CSAFusionLib.training.pairs import PairKind

METHODS = ("average", "maximum", "Laplacian pyramid")
SLICE_HEIGHT_MM = 20.0
"""Height of the slice in the template's space; it cuts the ventricles and the basal ganglia."""


def main() -> None:
    """Write the picture."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("picture", type=Path)
    picture = parser.parse_args().picture
    pet, mr = slices()
    network = by_weights(BUNDLED, BUNDLED).method_for
    assert network is not None
    methods = [*(BASELINES[name] for name in METHODS), network(PairKind.PET_MRI)]
    pairs = [(marked(pet), mr), (pet, marked(mr))]
    rows = [((a, b, *(fuse(a, b) for fuse in methods)), (1.0, 1.0)) for a, b in pairs]
    titles = ["PET, lesions in the first row", "MR, lesions in the second", *METHODS, "CSAFusion"]
    Image.fromarray(sheet(rows, titles)).save(picture)


def slices() -> tuple[np.ndarray, np.ndarray]:
    """An axial slice of the simulated PET and the template's at the same place, (H, W) in [0, 1]."""
    t1 = read_t1()
    pet = simulate_pet(read_tissue("gm"), read_tissue("wm"), sitk.Transform(3, sitk.sitkIdentity))
    index = t1.TransformPhysicalPointToIndex((0.0, 0.0, SLICE_HEIGHT_MM))[2]
    pet, mr = (sitk.GetArrayFromImage(image)[index, ::-1] for image in (sitk.Resample(pet, t1), t1))
    pet, mr = (np.clip(image / (1.1 * image.max()), 0, 1).astype(np.float32) for image in (pet, mr))
    window = bounding_box(np.maximum(pet, mr))
    return np.ascontiguousarray(pet[window]), np.ascontiguousarray(mr[window])


def marked(source: np.ndarray) -> np.ndarray:
    """The source with a lesion wherever one fits, brighter and darker by turns."""
    placed = [lesion for sign in (1, -1) for lesion in place_lesions(source, sign)[sign < 0 :: 2]]
    return insert(list({(lesion.row, lesion.column): lesion for lesion in placed}.values()), source)


if __name__ == "__main__":
    main()
