"""Make one plain linear transform of whatever an engine writes for one."""

from __future__ import annotations

import numpy as np
import SimpleITK as sitk

from CSAFusionLib.registration.transforms import nearest_rigid


def as_affine(linear: sitk.Transform) -> sitk.AffineTransform:
    """Return any linear transform, also a composite of several, as an affine one with its centre at the origin."""
    shift = np.array(linear.TransformPoint((0.0, 0.0, 0.0)))
    columns = [np.array(linear.TransformPoint(axis)) - shift for axis in np.eye(3).tolist()]
    return sitk.AffineTransform(np.stack(columns, axis=1).ravel().tolist(), shift.tolist())


def as_rigid(linear: sitk.Transform) -> sitk.Euler3DTransform:
    """Return any rigid transform, also a composite of several, as rotation and translation."""
    return nearest_rigid(as_affine(linear))
