"""Stands in for BRAINSFit, which is not on the index: the same command line, read strictly, but no search.

It takes for granted that both volumes are one array of voxels under two headers, and gives the transform between
these. The environment variable STAND_IN makes it "fail", "hang", end "without a transform" or "tell the masks".
"""

from __future__ import annotations

import argparse
import os
import sys
import time
from pathlib import Path

import numpy as np
import SimpleITK as sitk


def main() -> None:
    """Do what the command line asks for."""
    options = parse_arguments()
    if options.useBSpline == bool(options.linearTransform) or not (options.linearTransform or options.bsplineTransform):
        sys.exit("ERROR: the output does not fit the last phase")
    check_masks(options)
    fixed, moving = (sitk.ReadImage(str(path)) for path in (options.fixedVolume, options.movingVolume))
    behaviour = os.environ.get("STAND_IN", "")
    if behaviour == "fail":
        print("=== Rigid phase ===")
        sys.exit("All samples map outside moving image buffer")
    if behaviour == "tell the masks":
        both = told(options.fixedBinaryVolume), told(options.movingBinaryVolume)
        sys.exit(f"{' and '.join(both)} of {options.samplingPercentage}")
    while behaviour == "hang":
        time.sleep(1)
    if behaviour != "without a transform":
        path = options.linearTransform or options.bsplineTransform
        sitk.WriteTransform(as_phase(between_headers(fixed, moving), fixed, options), str(path))


def parse_arguments() -> argparse.Namespace:
    """The options of BRAINSFit that this project knows; any other is an error, and so is a value out of place."""
    parser = argparse.ArgumentParser(prog="BRAINSFit", allow_abbrev=False)
    for name in ("fixedVolume", "movingVolume"):
        parser.add_argument(f"--{name}", type=Path, required=True)
    outputs = parser.add_mutually_exclusive_group(required=True)
    for name in ("linearTransform", "bsplineTransform"):
        outputs.add_argument(f"--{name}", type=Path)
    for name in ("useRigid", "useAffine", "useBSpline"):
        parser.add_argument(f"--{name}", action="store_true")
    modes = ["Off", "useMomentsAlign", "useCenterOfHeadAlign", "useGeometryAlign", "useCenterOfROIAlign"]
    parser.add_argument("--initializeTransformMode", choices=modes, default="Off")
    parser.add_argument("--splineGridSize", type=grid_size, default="14,10,12")
    parser.add_argument("--costMetric", choices=["MMI", "MSE", "NC", "MIH"], default="MMI")
    parser.add_argument("--samplingPercentage", type=float, default=0.002)
    for name, default in (("numberOfHistogramBins", 50), ("numberOfIterations", 1500), ("numberOfThreads", -1)):
        parser.add_argument(f"--{name}", type=int, default=default)
    for name in ("fixedBinaryVolume", "movingBinaryVolume"):
        parser.add_argument(f"--{name}", type=Path)
    parser.add_argument("--maskProcessingMode", choices=["NOMASK", "ROIAUTO", "ROI"], default="NOMASK")
    return parser.parse_args()


def check_masks(options: argparse.Namespace) -> None:
    """Ends as older versions do in mode ROI with less than two masks, and where masks are given that it ignores."""
    masks = [path for path in (options.fixedBinaryVolume, options.movingBinaryVolume) if path is not None]
    if options.maskProcessingMode == "ROI" and len(masks) < 2:
        sys.exit("ERROR:  Must specify mask file names when ROI is used for the maskProcessingMode")
    if options.maskProcessingMode != "ROI" and masks:
        sys.exit("ERROR:  Masks are given and the maskProcessingMode is another than ROI")


def told(path: Path | None) -> str:
    """How many voxels are inside a mask, and where the middle of them is, mm."""
    if path is None:
        return "no mask"
    mask = sitk.ReadImage(str(path))
    if mask.GetPixelID() != sitk.sitkUInt8:
        sys.exit("ERROR:  A mask has another type of voxels than unsigned char")
    inside = np.argwhere(sitk.GetArrayViewFromImage(mask))
    middle = mask.TransformContinuousIndexToPhysicalPoint(inside.mean(axis=0)[::-1].tolist())
    return f"{len(inside)} voxels round {' '.join(f'{place:.1f}' for place in middle)}"


def grid_size(text: str) -> list[int]:
    """Three numbers of at least three, with commas between them."""
    sizes = [int(word) for word in text.split(",")]
    if len(sizes) != 3 or min(sizes) < 3:
        raise argparse.ArgumentTypeError("each of three axes must have at least 3 subdivisions")
    return sizes


def between_headers(fixed: sitk.Image, moving: sitk.Image) -> sitk.AffineTransform:
    """Takes the place of each fixed voxel to that of the moving voxel with the same index."""
    to_fixed, to_moving = (np.reshape(image.GetDirection(), (3, 3)) * image.GetSpacing() for image in (fixed, moving))
    matrix = to_moving @ np.linalg.inv(to_fixed)
    shift = np.array(moving.GetOrigin()) - matrix @ fixed.GetOrigin()
    return sitk.AffineTransform(matrix.ravel().tolist(), shift.tolist())


def as_phase(affine: sitk.AffineTransform, fixed: sitk.Image, options: argparse.Namespace) -> sitk.Transform:
    """The class of transform that BRAINSFit's last phase writes."""
    if options.useBSpline:
        return sitk.CompositeTransform([affine, sitk.BSplineTransformInitializer(fixed, options.splineGridSize)])
    if options.useAffine:
        return affine
    rigid = sitk.VersorRigid3DTransform()
    rigid.SetMatrix(affine.GetMatrix(), 1e-6)
    rigid.SetTranslation(affine.GetTranslation())
    return rigid


if __name__ == "__main__":
    main()
