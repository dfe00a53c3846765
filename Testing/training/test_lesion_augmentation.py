from __future__ import annotations

import numpy as np

from CSAFusionLib.training.patches import add_lesions


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
