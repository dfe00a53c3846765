from __future__ import annotations

import numpy as np
import pytest
import torch

from CSAFusionLib.training.pairs import ImagePair, PairKind
from CSAFusionLib.training.patches import PatchDataset, random_patch, rescale


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
