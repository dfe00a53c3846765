#!/usr/bin/env bash
# SimpleITK's SetMetricSamplingPercentage is a share of all voxels of the fixed image, even with SetMetricFixedMask: ITK
# draws from the whole image and then discards samples outside the mask. A mask of 1/8 of the image keeps 1/8 of the
# requested samples; to get the full number inside, divide the share by the mask's share of the image.
#
# Seen with SimpleITK 2.5.7 (10 % of 64000 voxels, a mask of 1/8):
#   no mask: 6287 valid samples of 6400; mask: 861
set -euo pipefail
folder=$(mktemp -d)
trap 'rm -rf "$folder"' EXIT
python3 -m venv "$folder/venv"
"$folder/venv/bin/pip" install -q "SimpleITK==2.5.7" "numpy==1.26.4"
"$folder/venv/bin/python" - <<'PYTHON'
import numpy as np
import SimpleITK as sitk

print("SimpleITK", sitk.Version.VersionString())
image = sitk.GetImageFromArray(np.random.default_rng(0).normal(size=(40, 40, 40)).astype(np.float32))
mask = sitk.Image(image.GetSize(), sitk.sitkUInt8)
mask[0:20, 0:20, 0:20] = 1


def valid_samples(fixed_mask):
    search = sitk.ImageRegistrationMethod()
    search.SetMetricAsMattesMutualInformation(32)
    search.SetMetricSamplingStrategy(search.RANDOM)
    search.SetMetricSamplingPercentage(0.1, 1)
    if fixed_mask is not None:
        search.SetMetricFixedMask(fixed_mask)
    search.SetInitialTransform(sitk.TranslationTransform(3), inPlace=False)
    search.SetOptimizerAsPowell(1, 1)
    search.SetInterpolator(sitk.sitkLinear)
    search.Execute(image, image)
    return search.GetMetricNumberOfValidPoints()


everywhere, inside = valid_samples(None), valid_samples(mask)
print(f"no mask: {everywhere} valid samples of 6400; mask: {inside}")
assert everywhere > 6000
assert inside < 6400 / 8 * 1.2, "the share now counts the voxels of the mask"
PYTHON
