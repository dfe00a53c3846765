from __future__ import annotations

import numpy as np

from CSAFusionLib.training.patches import Display, augment

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


def test_patches_in_the_same_windows_have_the_same_greys() -> None:
    random = np.random.default_rng(0)
    displays = Display(1.1, 0.8), Display(0.9, 1.2)
    medians = [[np.median(source[source > 0]) for source in augment(head(), displays, random)] for _ in range(20)]
    np.testing.assert_allclose(medians, [[(0.6 * 1.1) ** 0.8, (0.5 * 0.9) ** 1.2]] * 20, atol=0.01)
