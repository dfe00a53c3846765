"""The slow change of brightness that coils make over an MR, estimated and taken out by N4 (Tustison et al., 2010)."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import SimpleITK as sitk

from CSAFusionLib.volumes.volume import Volume

# The field is slow: it is found on voxels of about this size, and evaluated on all.
_COARSE_MM = 5.0
_FEWEST = 4  # voxels along an axis of the coarse image; the splines need as many
_ITERATIONS = [30, 30, 20]
_CONVERGED = 1e-3
_LARGEST_FACTOR = 10.0

CORRECTED = "was corrected for its bias field by N4; its intensities are the corrected ones."


def bias_corrected(volume: Volume) -> Volume:
    """Return a scalar MR divided by its bias field, float32, with a note that says so.

    Tissue alone is looked at (above Otsu's threshold halved): air would count as data. Values below 0 are kept below.
    A volume without tissue, or thinner than the splines need, is returned as it is.
    """
    image = sitk.Cast(volume.image, sitk.sitkFloat32)
    factors = [
        int(np.clip(_COARSE_MM / side, 1, max(1, size // _FEWEST)))
        for side, size in zip(image.GetSpacing(), image.GetSize(), strict=True)
    ]
    coarse = sitk.Shrink(image, factors)
    mask = _tissue(coarse)
    if min(coarse.GetSize()) < _FEWEST or not sitk.GetArrayViewFromImage(mask).any():
        return volume
    n4 = sitk.N4BiasFieldCorrectionImageFilter()
    n4.SetMaximumNumberOfIterations(_ITERATIONS)
    n4.SetConvergenceThreshold(_CONVERGED)
    n4.Execute(coarse, mask)
    field = sitk.Clamp(
        sitk.Exp(n4.GetLogBiasFieldAsImage(image)), sitk.sitkFloat32, 1 / _LARGEST_FACTOR, _LARGEST_FACTOR
    )
    corrected = image / field
    corrected.CopyInformation(volume.image)
    return replace(volume, image=corrected, notes=(*volume.notes, CORRECTED))


def _tissue(image: sitk.Image) -> sitk.Image:
    low = float(np.quantile(sitk.GetArrayViewFromImage(image), 0.005))
    otsu = sitk.OtsuThresholdImageFilter()
    otsu.Execute(image)
    return image > max((otsu.GetThreshold() + low) / 2, 0.0)
