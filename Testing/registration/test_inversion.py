"""CSAFusionLib/registration/transforms.py."""

from __future__ import annotations

import numpy as np
import pytest
import SimpleITK as sitk

from CSAFusionLib.errors import InputError
from CSAFusionLib.geometry.grid import points_of
from CSAFusionLib.geometry.transform_algebra import map_points
from CSAFusionLib.registration.transforms import inverse_of


@pytest.fixture
def domain() -> sitk.Image:
    """An oblique grid of 80 mm."""
    image = sitk.Image([20, 20, 16], sitk.sitkUInt8)
    image.SetSpacing((4.0, 4.0, 5.0))
    image.SetOrigin((-40.0, -30.0, -50.0))
    image.SetDirection((0.8, -0.6, 0, 0.6, 0.8, 0, 0, 0, 1))
    return image


def _bent(domain: sitk.Image, strength_mm: float) -> sitk.Transform:
    spline = sitk.BSplineTransformInitializer(domain, [4, 4, 4])
    random = np.random.default_rng(1).normal(0, strength_mm, len(spline.GetParameters()))
    spline.SetParameters(random.tolist())
    return sitk.CompositeTransform([sitk.Euler3DTransform((0, 0, 0), 0.2, 0.1, -0.3, (30, 5, 60)), spline])


def test_a_linear_transform_is_undone_exactly(domain: sitk.Image) -> None:
    affine = sitk.AffineTransform([1.1, 0.1, 0, -0.1, 0.9, 0, 0, 0.2, 1], [4.0, 5.0, 6.0], [1.0, 2.0, 3.0])
    together = sitk.CompositeTransform([affine, sitk.Euler3DTransform((0, 0, 0), 0.1, 0.2, 0.3, (1, 2, 3))])
    back, error = inverse_of(together, domain)
    points = np.array([[1.0, 2.0, 3.0], [40.0, -50.0, 60.0]])
    np.testing.assert_allclose(map_points(back, map_points(together, points)), points, atol=1e-9)
    assert error == 0


def test_a_deformation_far_from_home_is_undone_and_its_error_told(domain: sitk.Image) -> None:
    bent = _bent(domain, 2.0)
    back, error = inverse_of(bent, domain)
    points = points_of(domain, np.random.default_rng(3).uniform(3, 12, (50, 3)))
    assert np.linalg.norm(map_points(back, map_points(bent, points)) - points, axis=1).max() < 0.05
    assert 0 < error < 0.5


def test_a_transform_that_folds_space_is_refused(domain: sitk.Image) -> None:
    with pytest.raises(InputError, match="cannot be undone"):
        inverse_of(_bent(domain, 40.0), domain)
