"""Random patches."""

from __future__ import annotations

import numpy as np
import pytest
import torch

from CSAFusionLib.training.pairs import ImagePair, PairKind
from CSAFusionLib.training.patches import Display, PatchDataset, add_lesions, augment, random_patch, rescale

SIZE = 48


def head() -> np.ndarray:
    """Two sources with one bright square each, in the same place, on black."""
    patch = np.zeros((2, SIZE, SIZE), np.float32)
    patch[0, 10:30, 10:40], patch[1, 10:30, 10:40] = 0.6, 0.5
    return patch


def draws(count: int = 60) -> list[np.ndarray]:
    random = np.random.default_rng(0)
    return [augment(head(), (Display.at_random(random), Display.at_random(random)), random) for _ in range(count)]


def test_a_patch_stays_a_patch_in_range() -> None:
    for patch in draws():
        assert patch.shape == (2, SIZE, SIZE)
        assert patch.dtype == np.float32
        assert 0 <= patch.min() <= patch.max() <= 1


def test_both_sources_are_turned_alike_and_black_stays_black() -> None:
    seen = set()
    for a, b in draws():
        np.testing.assert_array_equal(a > 0, b > 0)
        seen.add((a > 0).tobytes())
    assert len(seen) == 8


def test_each_source_is_changed_on_its_own() -> None:
    ratios = [np.median(a[a > 0]) / np.median(b[b > 0]) for a, b in draws()]
    assert min(ratios) < 1.0 < 1.4 < max(ratios)


def test_the_brightest_window_is_the_one_that_was_asked_for() -> None:
    random = np.random.default_rng(0)
    factors = [Display.at_random(random, 2.0).factor for _ in range(200)]
    assert 0.8 <= min(factors) < 0.85 < 1.95 < max(factors) <= 2
    assert max(Display.at_random(random).factor for _ in range(200)) <= 1.2


def test_patches_in_the_same_windows_have_the_same_greys() -> None:
    random = np.random.default_rng(0)
    displays = Display(1.1, 0.8), Display(0.9, 1.2)
    medians = [[np.median(source[source > 0]) for source in augment(head(), displays, random)] for _ in range(20)]
    np.testing.assert_allclose(medians, [[(0.6 * 1.1) ** 0.8, (0.5 * 0.9) ** 1.2]] * 20, atol=0.01)


def patch(value: float = 0.5, size: int = 64) -> np.ndarray:
    """Two sources of flat tissue with a margin of air."""
    both = np.zeros((2, size, size), np.float32)
    both[:, 4:-4, 4:-4] = value
    return both


def changes(plain: np.ndarray, count: int = 60) -> list[np.ndarray]:
    random = np.random.default_rng(0)
    return [add_lesions(plain, random) - plain for _ in range(count)]


def signs(opposite: float) -> set[tuple[float, float]]:
    """The signs in A and B of all lesions, each pixel one."""
    random = np.random.default_rng(0)
    found = [np.sign(add_lesions(patch(), random, opposite) - patch()).reshape(2, -1).T for _ in range(60)]
    return {tuple(row) for row in np.unique(np.concatenate(found), axis=0)} - {(0, 0)}


def test_they_are_of_four_kinds_and_either_sign() -> None:
    same, alone = {(1, 1), (-1, -1)}, {(1, 0), (-1, 0), (0, 1), (0, -1)}
    assert signs(0) == same | alone
    assert signs(1) == {(1, -1), (-1, 1)}
    assert signs(0.25) == same | alone | {(1, -1), (-1, 1)}


def test_they_are_brighter_or_darker_and_stand_out() -> None:
    found = [change for change in changes(patch()) if change.any()]
    assert max(change.max() for change in found) > 0.3
    assert min(change.min() for change in found) < -0.3
    assert min(abs(change).max() for change in found) > 0.09


def test_they_are_of_many_sizes() -> None:
    areas = [np.count_nonzero(change) for change in changes(patch()) if change.any()]
    assert min(areas) < 250
    assert max(areas) > 700


def test_nothing_is_clipped_and_the_input_stays_as_it_is() -> None:
    plain = patch(0.92)
    marked = [add_lesions(plain, np.random.default_rng(seed)) for seed in range(20)]
    assert all(image.min() >= 0 and image.max() <= 1 for image in marked)
    assert np.array_equal(plain, patch(0.92))


def test_tissue_that_can_only_get_darker_gets_dark_ones() -> None:
    found = changes(patch(0.99))
    assert max(change.max() for change in found) == 0
    assert min(change.min() for change in found) < -0.3


def test_there_are_none_in_air() -> None:
    assert not any(change.any() for change in changes(np.zeros((2, 64, 64), np.float32)))


def test_the_same_draw_gives_the_same_lesions() -> None:
    one, other = (add_lesions(patch(), np.random.default_rng(3)) for _ in range(2))
    assert np.array_equal(one, other)


def pair(kind: PairKind = PairKind.CT_MRI, size: int = 40) -> ImagePair:
    ramp = np.linspace(0.1, 0.9, size * size, dtype=np.float32).reshape(size, size)
    return ImagePair(a=ramp, b=ramp / 2, kind=kind, name="ramp")


def dataset(*pairs: ImagePair, seed: int = 0) -> PatchDataset:
    return PatchDataset(pairs, size=16, seed=seed, samples=12)


def test_a_sample_depends_on_seed_epoch_and_index_alone() -> None:
    one, other = dataset(pair()), dataset(pair())
    _ = [other[i] for i in range(5)]
    assert torch.equal(one[7], other[7])
    assert not torch.equal(one[7], one[8])
    assert not torch.equal(one[7], dataset(pair(), seed=1)[7])
    other.epoch = 1
    assert not torch.equal(one[7], other[7])


def test_samples_are_pairs_of_patches_in_range() -> None:
    for sample in (dataset(pair())[i] for i in range(12)):
        assert sample.shape == (2, 2, 16, 16)
        assert sample.dtype == torch.float32
        assert 0 <= sample.min() <= sample.max() <= 1


def test_the_second_half_of_a_sample_has_lesions() -> None:
    flat = np.full((160, 160), 0.5, np.float32)
    samples = PatchDataset([ImagePair(a=flat, b=flat, kind=PairKind.CT_MRI, name="")], size=64, seed=0, samples=20)
    changed = [float((marked - plain).abs().max()) for plain, marked in (samples[i] for i in range(20))]
    assert sum(change > 0.05 for change in changed) > 15


def test_a_group_is_of_one_patient_in_one_window() -> None:
    grey = {name: np.full((40, 40), value, np.float32) for name, value in (("p", 0.2), ("q", 0.6))}
    flat = [ImagePair(a=v, b=v, kind=PairKind.CT_MRI, name=f"{n}{i}", patient=n) for n, v in grey.items() for i in "12"]
    samples = PatchDataset(flat, size=16, seed=0, samples=40, group=4)
    medians = np.array([[float(source.median()) for source in samples[i][0]] for i in range(40)]).reshape(10, 4, 2)
    assert np.ptp(medians, axis=1).max() < 0.01
    assert np.ptp(medians[:, 0], axis=0).min() > 0.2


def test_patches_are_as_bright_as_was_asked_for() -> None:
    flat = np.full((40, 40), 0.4, np.float32)
    one = [ImagePair(a=flat, b=flat, kind=PairKind.SPECT_MRI, name="")]
    default, brighter = (PatchDataset(one, size=16, seed=0, samples=40, **given) for given in ({}, {"brightest": 3.0}))
    # A factor of 1.2 and the strongest gamma make 0.48 ** 0.74 of 0.4.
    assert max(float(default[i][0].median()) for i in range(40)) < 0.6
    assert max(float(brighter[i][0].median()) for i in range(40)) > 0.9


def test_kinds_take_turns_however_many_pairs_they_have() -> None:
    dark = ImagePair(
        a=np.full((40, 40), 0.05, np.float32), b=np.zeros((40, 40), np.float32), kind=PairKind.PET_MRI, name=""
    )
    samples = dataset(pair(), pair(), pair(), dark)
    assert [bool(samples[i][0, 1].max() > 0) for i in range(4)] == [True, False, True, False]


def test_empty_patches_are_drawn_again() -> None:
    image = np.zeros((160, 160), np.float32)
    image[60:100, 60:100] = 0.8
    half_empty = ImagePair(a=image, b=image, kind=PairKind.CT_MRI, name="")
    samples = PatchDataset([half_empty], size=32, seed=0, samples=60)
    content = [float((samples[i][0] > 0.04).float().mean()) for i in range(60)]
    assert np.mean([share >= 0.25 for share in content]) > 0.4  # by chance alone it would be about one in ten


def test_an_image_smaller_than_the_patch_is_padded_with_background() -> None:
    patch = random_patch(pair(size=10), 16, np.random.default_rng(0))
    assert patch.shape == (2, 16, 16)
    assert np.count_nonzero(patch[0]) == 100


def test_both_images_are_cut_at_the_same_place() -> None:
    random = np.random.default_rng(0)
    for _ in range(10):
        a, b = random_patch(pair(), 16, random)
        np.testing.assert_array_equal(a, 2 * b)


def test_a_rescaled_patch_shows_the_same_in_other_pixels() -> None:
    ramp = np.tile(np.linspace(0, 1, 32, dtype=np.float32), (2, 32, 1))
    for size in (20, 32, 48):
        scaled = rescale(ramp, size)
        assert scaled.shape == (2, size, size)
        np.testing.assert_allclose(scaled[0, 0], (np.arange(size) + 0.5) / size * 32 / 31 - 0.5 / 31, atol=0.02)


@pytest.mark.parametrize("epochs", [2])
def test_it_works_under_a_data_loader(epochs: int) -> None:
    loader = torch.utils.data.DataLoader(dataset(pair()), batch_size=5)
    for _ in range(epochs):
        assert [len(batch) for batch in loader] == [5, 5, 2]
