"""How a transform moves and deforms a head."""

from __future__ import annotations

import numpy as np
import pytest
import SimpleITK as sitk

from CSAFusionLib.registration.quality.assessment import describe_transform


def a_field(head: sitk.Image, along_x: np.ndarray) -> sitk.Transform:
    """Displacements along x, (Z, Y, X) in mm, on the head's grid."""
    vectors = np.stack([along_x, np.zeros_like(along_x), np.zeros_like(along_x)], axis=-1)
    field = sitk.GetImageFromArray(vectors, isVector=True)
    field.CopyInformation(head)
    return sitk.DisplacementFieldTransform(sitk.Cast(field, sitk.sitkVectorFloat64))


def test_nothing_is_said_of_the_identity(a_head) -> None:
    described = describe_transform(a_head(), sitk.Euler3DTransform())
    assert described == pytest.approx(
        {
            "rotation_degrees": 0,
            "shift_mm": 0,
            "moved_mm": 0,
            "scale_min": 1,
            "scale_max": 1,
            "jacobian_min": 1,
            "jacobian_max": 1,
        },
        abs=1e-6,
    )


def test_a_turn_about_the_head_is_told_from_a_shift_of_it(a_head) -> None:
    middle = (50.0, -30.0, 20.0)
    head = a_head(middle=middle)
    turn = describe_transform(head, sitk.Euler3DTransform(middle, 0.0, np.radians(12.0), 0.0))
    assert turn["rotation_degrees"] == pytest.approx(12) and turn["shift_mm"] < 1 and turn["moved_mm"] > 5
    shift = describe_transform(head, sitk.TranslationTransform(3, (3.0, 0.0, 4.0)))
    assert shift["rotation_degrees"] == pytest.approx(0) and shift["shift_mm"] == pytest.approx(5)


def test_scales_are_found_along_any_direction(a_head) -> None:
    tilt = np.array(sitk.Euler3DTransform((0.0, 0.0, 0.0), 0.3, 0.2, 0.4).GetMatrix()).reshape(3, 3)
    affine = sitk.AffineTransform((tilt @ np.diag([0.8, 1.0, 1.3]) @ tilt.T).ravel().tolist(), (0.0, 0.0, 0.0))
    described = describe_transform(a_head(), affine)
    assert (described["scale_min"], described["scale_max"]) == pytest.approx((0.8, 1.3))
    assert described["jacobian_min"] == pytest.approx(0.8 * 1.3)


def test_a_mirroring_transform_has_a_negative_jacobian(a_head) -> None:
    mirror = sitk.AffineTransform(np.diag([-1.0, 1.0, 1.0]).ravel().tolist(), (0.0, 0.0, 0.0))
    assert describe_transform(a_head(), mirror)["jacobian_min"] == pytest.approx(-1)


def test_a_fold_in_a_field_is_seen_and_a_gentle_wave_is_none(a_head) -> None:
    head = a_head()
    x = np.broadcast_to(np.arange(60) * 3.0, (60, 68, 60))
    gentle = describe_transform(head, a_field(head, 3 * np.sin(x / 12)))
    assert 0.7 < gentle["jacobian_min"] < 0.85 and 1.15 < gentle["jacobian_max"] < 1.3
    assert describe_transform(head, a_field(head, 20 * np.sin(x / 12)))["jacobian_min"] < 0


def test_a_volume_one_voxel_thick_can_be_described(a_head) -> None:
    described = describe_transform(a_head(size=(60, 68, 1)), sitk.TranslationTransform(3, (2.0, 0.0, 0.0)))
    assert (described["scale_min"], described["shift_mm"]) == pytest.approx((1.0, 2.0))


def along_the_patient(head: sitk.Image, amplitude: float) -> sitk.Transform:
    """Displacements along the patient's x that wave along x, as a field on the head's own grid."""
    points = sitk.GetArrayFromImage(
        sitk.PhysicalPointSource(
            sitk.sitkVectorFloat64, head.GetSize(), head.GetOrigin(), head.GetSpacing(), head.GetDirection()
        )
    )
    vectors = np.zeros_like(points)
    vectors[..., 0] = amplitude * np.sin(points[..., 0] / 12)
    field = sitk.GetImageFromArray(vectors, isVector=True)
    field.CopyInformation(head)
    return sitk.DisplacementFieldTransform(field)


OBLIQUE = np.reshape(sitk.Euler3DTransform((0.0, 0.0, 0.0), 0.5, -0.3, 0.4).GetMatrix(), (3, 3))
DIRECTIONS = {
    "LPS": np.eye(3),
    "RAS": np.diag([-1.0, -1.0, 1.0]),
    "PIR": np.array([[0.0, 0.0, -1.0], [1.0, 0.0, 0.0], [0.0, -1.0, 0.0]]),
    "oblique": OBLIQUE,
    "oblique and left-handed": OBLIQUE @ np.diag([1.0, -1.0, 1.0]),
}


@pytest.mark.parametrize("fixed_direction", DIRECTIONS)
@pytest.mark.parametrize("field_direction", DIRECTIONS)
def test_a_deformation_is_judged_alike_on_every_storage_of_image_and_field(
    a_head, fixed_direction: str, field_direction: str
) -> None:
    fixed = a_head(direction=DIRECTIONS[fixed_direction])
    # The field reaches beyond the image, so that no border of it is in sight.
    wide = a_head(size=(116, 116, 116), direction=DIRECTIONS[field_direction])
    smooth = describe_transform(fixed, along_the_patient(wide, 6.0))
    assert (smooth["jacobian_min"], smooth["jacobian_max"]) == pytest.approx((0.5, 1.5), abs=0.05)
    folding = describe_transform(fixed, along_the_patient(wide, 24.0))
    assert (folding["jacobian_min"], folding["jacobian_max"]) == pytest.approx((-1.0, 3.0), abs=0.1)


def test_a_fold_as_narrow_as_two_voxels_is_seen(a_head) -> None:
    head = a_head(size=(80, 80, 80), spacing=(1.0, 1.0, 1.0))
    fold = np.zeros((80, 80, 80))
    fold[:, :, 40] = 3.0
    assert describe_transform(head, a_field(head, fold))["jacobian_min"] < 0
    behind = sitk.CompositeTransform([sitk.AffineTransform(3), a_field(head, fold)])
    assert describe_transform(head, behind)["jacobian_min"] < 0


def test_a_spline_s_change_of_volume_is_the_same_on_every_storage(a_head) -> None:
    spline = sitk.BSplineTransformInitializer(a_head(size=(70, 70, 70)), [5, 5, 5])
    spline.SetParameters(np.random.default_rng(0).normal(0, 8, len(spline.GetParameters())).tolist())
    found = [
        describe_transform(a_head(direction=axes), spline)["jacobian_min"] for axes in list(DIRECTIONS.values())[:3]
    ]
    assert found == pytest.approx([found[0]] * 3, abs=0.02)
