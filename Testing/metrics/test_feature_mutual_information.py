from __future__ import annotations

import numpy as np
import pytest
from scipy import ndimage

from CSAFusionLib.metrics.information_metrics import fmi


def entropy(probabilities: np.ndarray) -> float:
    present = probabilities[probabilities != 0]
    return -(present * np.log2(np.abs(present))).sum()


def of_window(x: np.ndarray, y: np.ndarray) -> float:
    """Haghighat and Razian 2014 for two windows, with the bounds' distribution functions written out."""
    if (x == y).all():
        return 1.0
    p, q = (np.ones(9) if np.ptp(w) == 0 else (w - w.min()).ravel(order="F") / np.ptp(w) for w in (x, y))
    p, q = p / p.sum(), q / q.sum()
    to_p, to_q = p.cumsum()[:, None], q.cumsum()[None, :]
    correlation = 0 if p.std() < 1e-12 or q.std() < 1e-12 else np.corrcoef(p, q)[0, 1]
    bound = np.minimum(to_p, to_q) if correlation >= 0 else np.maximum(to_p + to_q - 1, 0)
    place = np.arange(1, 10)
    spread_p, spread_q = (np.sqrt(max(place**2 @ r - (place @ r) ** 2, 0)) for r in (p, q))
    extreme = (bound - to_p * to_q).sum()
    weight = correlation * spread_p * spread_q / extreme if spread_p * spread_q > 1e-9 else 0
    of_bound = np.diff(np.diff(np.pad(bound, ((1, 0), (1, 0))), axis=0), axis=1)
    of_bound[np.abs(of_bound) < 1e-12] = 0
    joint = weight * of_bound + (1 - weight) * np.outer(p, q)
    apart = entropy(p) + entropy(q)
    return 2 * (apart - entropy(joint)) / apart if apart > 0 else 0.0


def by_definition(a: np.ndarray, b: np.ndarray) -> float:
    a, b = (np.gradient(image.astype(float), axis=1) for image in (a, b))
    corners = [(i, j) for i in range(a.shape[0] - 2) for j in range(a.shape[1] - 2)]
    return float(np.mean([of_window(a[i : i + 3, j : j + 3], b[i : i + 3, j : j + 3]) for i, j in corners]))


def textured(seed: int) -> np.ndarray:
    image = ndimage.gaussian_filter(np.random.default_rng(seed).random((26, 30)), 1)
    return (255 * (image - image.min()) / np.ptp(image)).round()


def test_it_follows_the_definition_where_images_agree_and_where_they_run_against_each_other() -> None:
    source = textured(0)
    fused = np.where(np.arange(30) < 15, (source + textured(1)) / 2, 255 - source).round()
    assert fmi(source, fused) == pytest.approx(by_definition(source, fused), abs=1e-6)


def test_it_follows_the_definition_beside_black_background_and_saturated_tissue() -> None:
    source, fused = textured(2), textured(3)
    source[:, :9] = fused[:, :6] = 0
    source[10:], fused[14:] = 255, 200
    assert fmi(source, fused) == pytest.approx(by_definition(source, fused), abs=1e-6)


def test_a_copy_is_one_whatever_its_brightness_and_contrast() -> None:
    image = textured(4)
    assert fmi(image, image) == 1
    assert fmi(image, image / 2 + 10) > 0.9


def test_a_flat_image_tells_nothing() -> None:
    slope = np.arange(30.0) ** 2 * np.ones((26, 1))
    assert fmi(slope, np.full((26, 30), 80.0)) == pytest.approx(0, abs=1e-6)


def test_two_flat_images_are_the_same_to_a_gradient() -> None:
    assert fmi(np.full((8, 8), 80.0), np.full((8, 8), 20.0)) == 1


def test_more_windows_than_fit_at_once_are_all_counted() -> None:
    source, fused = np.random.default_rng(5).integers(0, 256, (2, 40, 70))
    assert fmi(source, fused) == pytest.approx(by_definition(source, fused), abs=1e-6)
