"""Few and small things to compare, and sources with a known answer."""

from __future__ import annotations

import numpy as np
import pytest

from CSAFusionLib.training.pairs import ImagePair, PairKind


def a_pair(kind: PairKind, name: str, patient: str, seed: int) -> ImagePair:
    a, b = np.random.default_rng(seed).random((2, 48, 52), dtype=np.float32)
    return ImagePair(a=a, b=b, kind=kind, name=name, patient=patient)


@pytest.fixture
def pairs() -> list[ImagePair]:
    """Two slices of one CT-MRI patient and one of another, and one slice of a T1-T2 volume."""
    names = (
        (PairKind.CT_MRI, "9004", "9"),
        (PairKind.CT_MRI, "9005", "9"),
        (PairKind.CT_MRI, "33005", "33"),
        (PairKind.T1_T2, "ms-1-004", "ms-1"),
    )
    return [a_pair(kind, name, patient, seed) for seed, (kind, name, patient) in enumerate(names)]


@pytest.fixture
def flat() -> np.ndarray:
    """Half grey."""
    return np.full((64, 64), 0.5, np.float32)


@pytest.fixture
def chequered(flat: np.ndarray) -> np.ndarray:
    """As bright as the flat one on the average, with detail of one pixel's size."""
    sign = 1 - 2 * (np.indices(flat.shape).sum(axis=0) % 2)
    return (flat + 0.2 * sign).astype(np.float32)
