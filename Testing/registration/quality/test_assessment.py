"""The check of a registration, on the phantom head and on real volumes."""

from __future__ import annotations

import time

import numpy as np
import pytest
import SimpleITK as sitk

from CSAFusionLib.errors import Cancelled
from CSAFusionLib.registration.preparation import prepare
from CSAFusionLib.registration.quality.assessment import QualityAssessor, assess
from CSAFusionLib.registration.quality.grading import Grade
from CSAFusionLib.registration.transforms import read_transform
from CSAFusionLib.volumes.reading import read_volume

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
