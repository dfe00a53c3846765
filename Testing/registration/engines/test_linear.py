"""Tests of making one linear transform of several."""

from __future__ import annotations

import numpy as np
import SimpleITK as sitk

from CSAFusionLib.registration.engines.linear import as_affine, as_rigid

FAR_POINTS = [(3000.0, -2000.0, 5000.0), (2950.0, -2080.0, 5040.0), (3060.0, -1990.0, 4890.0)]
FIRST = sitk.Euler3DTransform((3000.0, -2000.0, 5000.0), 0.3, -0.2, 0.1, (4.0, 3.0, -5.0))
SECOND = sitk.VersorRigid3DTransform((0.0, 0.0, 1.0), 0.4, (1.0, 2.0, 3.0), (10.0, 20.0, 30.0))


def test_a_composite_of_rigid_transforms_is_one_rotation_and_translation() -> None:
    both = sitk.CompositeTransform([FIRST, SECOND])
    rigid = as_rigid(both)
    assert isinstance(rigid, sitk.Euler3DTransform)
    for point in FAR_POINTS:
        np.testing.assert_allclose(rigid.TransformPoint(point), both.TransformPoint(point), atol=1e-6)


def test_a_composite_with_scales_and_shears_is_one_affine_transform() -> None:
    sheared = sitk.AffineTransform([1.1, 0.2, 0.0, 0.0, 0.9, 0.1, 0.05, 0.0, 1.2], (5.0, 6.0, 7.0), (8.0, 9.0, 10.0))
    both = sitk.CompositeTransform([sheared, FIRST])
    affine = as_affine(both)
    assert isinstance(affine, sitk.AffineTransform)
    for point in FAR_POINTS:
        np.testing.assert_allclose(affine.TransformPoint(point), both.TransformPoint(point), atol=1e-6)
