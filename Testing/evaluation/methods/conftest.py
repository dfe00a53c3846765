"""Sources with a known answer, for the methods that take apart base and detail."""

from __future__ import annotations

import numpy as np
import pytest


@pytest.fixture
def flat() -> np.ndarray:
    """Half grey."""
    return np.full((64, 64), 0.5, np.float32)


@pytest.fixture
def chequered(flat: np.ndarray) -> np.ndarray:
    """As bright as the flat one on the average, with detail of one pixel's size."""
    sign = 1 - 2 * (np.indices(flat.shape).sum(axis=0) % 2)
    return (flat + 0.2 * sign).astype(np.float32)
