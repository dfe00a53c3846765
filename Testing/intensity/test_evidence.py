"""CSAFusionLib/intensity/evidence.py."""

from __future__ import annotations

import numpy as np
import SimpleITK as sitk

from CSAFusionLib.intensity.evidence import noise_length_mm, tail, tracer_evidence
from CSAFusionLib.volumes.volume import Volume


def a_volume(values: np.ndarray, spacing: tuple[float, ...] = (4, 4, 4)) -> Volume:
    image = sitk.GetImageFromArray(values.astype(np.float32))
    image.SetSpacing(spacing)
    return Volume(image, "volume")


def blurred(values: np.ndarray, spacing: tuple[float, ...], fwhm: float) -> Volume:
    return Volume(sitk.SmoothingRecursiveGaussian(a_volume(values, spacing).image, fwhm / 2.3548), "volume")


def a_body(hot: float, size: tuple[int, int, int] = (120, 64, 96)) -> np.ndarray:
    """An elliptic body of 1, with two organs of ``hot``, and air."""
    z, y, x = np.meshgrid(*(np.linspace(-1, 1, length) for length in size), indexing="ij")
    body = ((x / 0.8) ** 2 + (y / 0.7) ** 2 < 1).astype(float)
    for centre in ((-0.4, 0.3, 0.1), (0.5, -0.3, 0.0)):
        body[(x - centre[1]) ** 2 + (y - centre[2]) ** 2 + (4 * (z - centre[0])) ** 2 < 0.06] = hot
    return body


def test_a_blurred_body_with_few_hot_organs_is_a_tracer_s() -> None:
    noise = np.random.default_rng(0).gamma(1, 0.02, (120, 64, 96))
    for scale in (1.0, 1e-3, 5000.0):
        assert tracer_evidence(blurred(scale * (a_body(8.0) + noise), (5, 5, 5), 9)) > 1.5


def test_a_body_with_sharp_edges_is_none() -> None:
    assert tracer_evidence(a_volume(a_body(1.5), (1.0, 1.0, 1.0))) < -1.5


def test_a_blurred_body_of_even_brightness_with_fine_noise_is_none() -> None:
    noise = np.random.default_rng(0).normal(0, 0.03, (120, 64, 96))
    body = sitk.GetArrayFromImage(blurred(a_body(1.3), (2, 2, 4), 6).image)
    assert tracer_evidence(a_volume(np.hypot(body, noise), (2, 2, 4))) < 0


def test_the_tail_is_how_much_brighter_few_organs_are() -> None:
    assert 7 < tail(a_volume(a_body(8.0))) < 9
    assert tail(a_volume(a_body(1.0))) < 1.2
    assert tail(a_volume(np.full((3, 4, 5), 2.0))) == 1


def test_noise_of_a_filter_reaches_further_than_a_pixel() -> None:
    noise = np.random.default_rng(0).gamma(1, 0.02, (40, 64, 64))
    noise[:, 20:40, 20:40] += 10
    fine, coarse = a_volume(noise, (2, 2, 2)), blurred(noise, (2, 2, 2), 8)
    assert noise_length_mm(fine) < 2 < 4 < noise_length_mm(coarse)
    assert noise_length_mm(a_volume(np.where(noise > 5, 1.0, 0.0))) is None
