"""The quality assessment: its figures, and the grade and reason that they lead to."""

from __future__ import annotations

import time

import numpy as np
import pytest
import SimpleITK as sitk

from CSAFusionLib.errors import Cancelled
from CSAFusionLib.geometry.transform_algebra import rotation
from CSAFusionLib.registration.preparation import prepare
from CSAFusionLib.registration.quality.assessment import (
    QualityAssessor,
    assess,
    describe_transform,
    find_alternatives,
    pattern_search,
)
from CSAFusionLib.registration.quality.grading import Grade, quality_of
from CSAFusionLib.registration.quality.similarity import (
    LEFT_RIGHT,
    ComparedImage,
    HeadSample,
    RigidPerturbation,
    Similarity,
)
from CSAFusionLib.registration.transforms import read_transform
from CSAFusionLib.volumes.reading import read_volume


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


def similarity_of(fixed: sitk.Image, moving: sitk.Image, transform: sitk.Transform) -> Similarity:
    """The similarity of a transform between two images."""
    sample = HeadSample.of(fixed, seed=0)
    return Similarity(sample, ComparedImage.at(sample.spacing, moving), transform)


def of_head_and_moved_head(
    a_head, matrix: np.ndarray, shift: tuple[float, float, float]
) -> tuple[Similarity, RigidPerturbation]:
    """A head's T2 judged where its T1 lies but for this motion, and the perturbation that would put it right."""
    motion = sitk.AffineTransform(matrix.ravel().tolist(), shift)
    right = RigidPerturbation(matrix.T, -matrix.T @ shift)
    return similarity_of(a_head("T1"), a_head("T2"), motion), right


def test_a_climb_ends_on_the_summit_nearby(a_head) -> None:
    similarity, right = of_head_and_moved_head(a_head, rotation(2, 8.0), (6.0, -4.0, 3.0))
    assert similarity.distance(pattern_search(similarity, RigidPerturbation(), (4.0, 0.5)), right) < 1.5


@pytest.mark.parametrize(
    ("axis", "degrees", "shift"),
    [(0, 25.0, (30.0, 0.0, 20.0)), (1, 180.0, (5.0, 5.0, 0.0)), (2, 180.0, (0.0, 0.0, 9.0))],
)
def test_the_best_alignment_is_found_from_far_away_and_upside_down(a_head, axis, degrees, shift) -> None:
    similarity, right = of_head_and_moved_head(a_head, rotation(axis, degrees), shift)
    optima = find_alternatives(similarity, lambda: None)
    assert similarity.distance(optima.best, right) < 2
    assert optima.elsewhere is not None
    assert similarity.distance(optima.elsewhere, optima.best) > 15


def test_of_a_mirrored_head_the_mirror_image_is_the_better_one(a_head) -> None:
    similarity, right = of_head_and_moved_head(a_head, LEFT_RIGHT, (3.0, 2.0, 0.0))
    optima = find_alternatives(similarity, lambda: None)
    assert similarity.distance(optima.mirrored, right) < 2
    assert similarity.z_score(optima.mirrored, optima.best) > 3


def test_the_search_stops_when_told_to(a_head) -> None:
    similarity, _ = of_head_and_moved_head(a_head, np.eye(3), (0.0, 0.0, 0.0))

    def cancel() -> None:
        raise Cancelled

    with pytest.raises(Cancelled):
        find_alternatives(similarity, cancel)


MIRROR = sitk.AffineTransform(np.diag([-1.0, 1.0, 1.0]).ravel().tolist(), (0.0, 0.0, 0.0))


@pytest.fixture(scope="module")
def a_real_pair(shared_data) -> tuple[sitk.Image, sitk.Image, sitk.Transform]:
    """T1 and T2 of one patient from two visits, 11 mm apart by their headers, and the measured truth."""
    folder = shared_data / "volumes" / "open_ms"
    names = ("study1_T1W", "study2_T2W")
    fixed, moving = (prepare(read_volume(folder / "patient01" / f"{name}.nii.gz")) for name in names)
    truth = folder / "ground_truth" / f"patient01_fixed-{names[0]}_moving-{names[1]}.tfm"
    return fixed, moving, read_transform(truth)


def test_the_truth_is_good_and_the_headers_are_bad_on_the_phantom(a_pair, a_rigid_motion) -> None:
    fixed, moving = (volume.image for volume in a_pair)
    assert assess(fixed, moving, a_rigid_motion).quality.grade is Grade.GOOD
    astray = assess(fixed, moving, sitk.Euler3DTransform())
    assert astray.quality.grade is Grade.BAD
    points = [(x, y, z) for x in (-40.0, 40.0) for y in (-50.0, 50.0) for z in (-30.0, 30.0)]
    error = np.mean([np.linalg.norm(np.subtract(a_rigid_motion.TransformPoint(p), p)) for p in points])
    assert astray.figures["better_mm"] == pytest.approx(error, abs=2)


def test_the_better_of_two_transforms_has_the_higher_agreement(a_pair, a_rigid_motion) -> None:
    fixed, moving = (volume.image for volume in a_pair)
    near = sitk.CompositeTransform([a_rigid_motion, sitk.TranslationTransform(3, (2.0, 0.0, 0.0))])
    right, astray = (assess(fixed, moving, transform).figures["agreement"] for transform in (a_rigid_motion, near))
    assert right > astray


def test_a_mirrored_head_is_bad_although_its_outline_fits(a_head, moved) -> None:
    head = a_head("T1")
    quality = assess(head, moved(a_head("T2"), MIRROR), sitk.Euler3DTransform()).quality
    assert quality.grade is Grade.BAD
    assert "mirrored" in quality.reason


def test_a_slab_in_a_head_is_judged_by_what_it_shows(a_head) -> None:
    head, slab = a_head("T1"), a_head("T2")[:, :, 27:34]
    assert assess(head, slab, sitk.Euler3DTransform()).quality.grade is Grade.GOOD
    assert assess(head, slab, sitk.TranslationTransform(3, (0.0, 0.0, 12.0))).quality.grade is Grade.BAD


def test_noise_agrees_with_nothing(a_head) -> None:
    noise = sitk.GetImageFromArray(np.random.default_rng(0).normal(size=(60, 68, 60)).astype(np.float32))
    noise.CopyInformation(a_head())
    assert assess(a_head(), noise, sitk.Euler3DTransform()).quality.grade is not Grade.GOOD


def test_a_folding_field_is_bad(a_head) -> None:
    head = a_head()
    waves = np.zeros((60, 68, 60, 3))
    waves[..., 0] = 20 * np.sin(np.arange(60) / 4)
    field = sitk.GetImageFromArray(waves, isVector=True)
    field.CopyInformation(head)
    quality = assess(head, head, sitk.DisplacementFieldTransform(field)).quality
    assert (quality.grade, "folds" in quality.reason) == (Grade.BAD, True)


def test_the_check_is_repeatable_and_changes_neither_image_nor_transform(a_pair, a_rigid_motion) -> None:
    fixed, moving = (volume.image for volume in a_pair)
    before = [sitk.GetArrayFromImage(image) for image in (fixed, moving)], a_rigid_motion.GetParameters()
    assert assess(fixed, moving, a_rigid_motion, seed=3) == assess(fixed, moving, a_rigid_motion, seed=3)
    for image, array in zip((fixed, moving), before[0], strict=True):
        np.testing.assert_array_equal(sitk.GetArrayViewFromImage(image), array)
    assert a_rigid_motion.GetParameters() == before[1]


@pytest.mark.parametrize("size", [(60, 68, 1), (1, 68, 60), (9, 8, 7), (2, 2, 2)])
def test_thin_and_tiny_volumes_get_a_verdict_too(a_head, size) -> None:
    small = a_head(size=size)
    figures = assess(small, small, sitk.Euler3DTransform()).figures
    assert all(np.isfinite(value) for value in figures.values())


def test_volumes_that_do_not_meet_are_not_good(a_head) -> None:
    apart = assess(a_head(), a_head(), sitk.TranslationTransform(3, (900.0, 0.0, 0.0)))
    assert apart.quality.grade is not Grade.GOOD
    assert apart.figures["overlap_after"] == 0


def test_the_check_can_be_cancelled(a_pair) -> None:
    fixed, moving = (volume.image for volume in a_pair)

    def cancel(stage: str, done: int, total: int) -> None:
        raise Cancelled

    with pytest.raises(Cancelled):
        assess(fixed, moving, sitk.Euler3DTransform(), progress=cancel)


def test_a_measured_truth_is_good_and_8_mm_beside_it_is_bad(a_real_pair) -> None:
    fixed, moving, truth = a_real_pair
    assert assess(fixed, moving, truth).quality.grade is Grade.GOOD
    beside = sitk.CompositeTransform([truth, sitk.TranslationTransform(3, (0.0, 8.0, 0.0))])
    quality = assess(fixed, moving, beside).quality
    assert (quality.grade, "8 mm" in quality.reason) == (Grade.BAD, True)


def test_the_check_takes_seconds_of_one_core_on_a_clinical_pair(a_real_pair) -> None:
    started = time.process_time()
    assess(*a_real_pair)
    assert time.process_time() - started < 4


def stored(image: sitk.Image, axes: tuple[int, ...], flipped: tuple[bool, ...]) -> sitk.Image:
    """The same voxels in the same places, their axes permuted and flipped."""
    return sitk.Flip(sitk.PermuteAxes(image, axes), flipped)


@pytest.mark.parametrize(
    ("axes", "flipped"),
    [
        ((0, 1, 2), (True, True, False)),
        ((2, 1, 0), (True, True, True)),
    ],
)
def test_the_order_in_which_voxels_are_stored_changes_nothing(a_pair, a_rigid_motion, axes, flipped) -> None:
    fixed, moving = (volume.image for volume in a_pair)
    known = assess(fixed, moving, a_rigid_motion).figures
    for pair in ((stored(fixed, axes, flipped), moving), (fixed, stored(moving, axes, flipped))):
        assert assess(*pair, a_rigid_motion).figures == pytest.approx(known, abs=1e-4)


@pytest.mark.parametrize("shift", [0.0, 7.0])
def test_a_pair_is_judged_alike_in_both_orders(a_pair, a_rigid_motion, shift) -> None:
    fixed, moving = (volume.image for volume in a_pair)
    transform = sitk.AffineTransform(a_rigid_motion.GetMatrix(), (6.0 + shift, -5.0, 4.0))
    ahead, back = assess(fixed, moving, transform), assess(moving, fixed, transform.GetInverse())
    assert back.quality == ahead.quality
    assert back.figures["agreement"] == pytest.approx(ahead.figures["agreement"], abs=1e-4)


@pytest.mark.parametrize(("scale", "offset"), [(1e-4, 0.0), (2.0, -1000.0)])
def test_rescaled_intensities_are_judged_alike(a_pair, a_rigid_motion, scale, offset) -> None:
    fixed, moving = (volume.image for volume in a_pair)
    known = assess(fixed, moving, a_rigid_motion).quality
    assert assess(fixed * scale + offset, moving, a_rigid_motion).quality == known
    assert assess(fixed, moving * scale + offset, a_rigid_motion).quality == known


def test_something_as_large_as_a_body_is_judged_as_a_head_is(a_head) -> None:
    body, other = a_head("T1"), a_head("T2")
    for image in (body, other):
        image.SetSpacing((12.0, 12.0, 12.0))
    assert assess(body, other, sitk.Euler3DTransform()).quality.grade is Grade.GOOD
    assert assess(body, other, sitk.TranslationTransform(3, (25.0, 0.0, 0.0))).quality.grade is Grade.BAD


def test_a_scanner_s_own_alignment_of_a_whole_body_is_good_and_10_mm_beside_it_is_bad(shared_data) -> None:
    fixed, moving = (
        prepare(read_volume(shared_data / "volumes" / "petct" / f"{name}.nii.gz")) for name in ("CT", "PET")
    )
    assessor = QualityAssessor(fixed, moving)
    assert assessor(sitk.Euler3DTransform()).quality.grade is Grade.GOOD
    assert assessor(sitk.TranslationTransform(3, (0.0, 0.0, 10.0))).quality.grade is Grade.BAD


def test_a_transform_is_held_against_the_headers(a_pair, a_rigid_motion) -> None:
    assessor = QualityAssessor(*(volume.image for volume in a_pair))
    assert assessor(a_rigid_motion).figures["headers_beaten_by"] > 3
    assert assessor(sitk.Euler3DTransform()).figures["headers_beaten_by"] == 0
    assert assessor(sitk.TranslationTransform(3, (-8.0, 8.0, -8.0))).figures["headers_beaten_by"] < 0


def test_headers_far_beyond_the_grid_are_beaten_by_the_truth(a_head) -> None:
    fixed, moving = a_head("T1"), a_head("T2", middle=(0.0, 150.0, 0.0))
    away = sitk.TranslationTransform(3, (0.0, 150.0, 0.0))
    assert QualityAssessor(fixed, moving)(away).figures["headers_beaten_by"] > 3


RIGHT = {
    "jacobian_min": 1.0,
    "scale_min": 1.0,
    "scale_max": 1.02,
    "head_overlap": 0.9,
    "best_share": 0.98,
    "better_mm": 0.6,
    "better_certainty": 1.0,
    "elsewhere_share": 0.5,
    "mirror_certainty": -8.0,
    "peak": 0.5,
}


def test_figures_of_a_right_registration_are_good() -> None:
    quality = quality_of(RIGHT)
    assert quality.grade is Grade.GOOD
    assert quality.reason == (
        "The check tried other shifts and turns, and none matches clearly better: the best match is 0.6 mm from this "
        "alignment."
    )


@pytest.mark.parametrize(
    ("figures", "level", "reason"),
    [
        ({"jacobian_min": 0.0}, Grade.BAD, "folds"),
        ({"better_mm": 7.0, "better_certainty": 6.0}, Grade.BAD, "turned by about 7 mm"),
        ({"better_mm": 7.0, "better_certainty": 2.0}, Grade.DOUBTFUL, "turned by about 7.0 mm"),
        ({"better_mm": 4.4, "better_certainty": 9.0}, Grade.DOUBTFUL, "turned by about 4.4 mm"),
        ({"better_mm": 3.0, "best_share": 0.7}, Grade.DOUBTFUL, "turned by about 3.0 mm"),
        ({"mirror_certainty": 5.0}, Grade.BAD, "mirrored"),
        ({"mirror_certainty": 2.0}, Grade.DOUBTFUL, "mirrored"),
        ({"mirror_certainty": 0.0}, Grade.GOOD, "Left and right look so alike"),
        ({"head_overlap": 0.1}, Grade.DOUBTFUL, "only 10% of the anatomy"),
        ({"peak": 0.01}, Grade.DOUBTFUL, "hardly changes"),
        ({"elsewhere_share": 0.98}, Grade.DOUBTFUL, "another place"),
        ({"scale_max": 1.6}, Grade.DOUBTFUL, "1.00 to 1.60"),
    ],
)
def test_what_is_wrong_decides_the_level_and_is_named(figures: dict[str, float], level: Grade, reason: str) -> None:
    quality = quality_of(RIGHT | figures)
    assert quality.grade is level
    assert reason in quality.reason
    assert quality.reason.endswith(".")


def test_bad_comes_before_doubtful() -> None:
    assert quality_of(RIGHT | {"scale_max": 1.6, "mirror_certainty": 5.0}).level is Grade.BAD


@pytest.mark.parametrize("name", RIGHT)
def test_a_figure_that_is_no_number_never_passes_for_good(name: str) -> None:
    quality = quality_of(RIGHT | {name: float("nan")})
    assert quality.grade is Grade.DOUBTFUL
    assert "not numbers" in quality.reason
