"""CSAFusionLib.intensity.modality"""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest

from CSAFusionLib.geometry.planes import Plane, to_slices
from CSAFusionLib.intensity.mapping import find_mapping
from CSAFusionLib.intensity.modality import Modality, grey_quartiles, is_t2_beside, quartile_skewness
from CSAFusionLib.volumes.reading import read_volume


def test_the_skewness_is_bowley_s_of_what_is_not_background() -> None:
    values = np.concatenate([np.zeros(5000), np.linspace(0.2, 0.4, 500), np.linspace(0.4, 1.0, 500)])
    low, middle, high = np.quantile(values[values > 0.05], (0.25, 0.5, 0.75))
    expected = (high + low - 2 * middle) / (high - low)
    assert quartile_skewness(grey_quartiles([values])) == pytest.approx(expected, abs=0.01)
    assert grey_quartiles(np.split(values, 6)) == grey_quartiles([values[::-1]])


@pytest.mark.parametrize("values", [np.zeros(10), np.full(10, 0.5)])
def test_what_has_no_contrast_has_no_skewness(values: np.ndarray) -> None:
    assert quartile_skewness(grey_quartiles([values])) == 0


@pytest.mark.parametrize(
    "t1",
    [
        "stroke/T1.nii.gz",
        "open_ms/patient01/study1_T1W.nii.gz",
        "open_ms/patient12/study1_T1W.nii.gz",
        "open_ms/mni_patient07/T1.nii.gz",
        "spine/t1.nii.gz",
    ],
)
def test_the_t2_of_a_real_pair_is_told_in_either_order(shared_data: Path, t1: str) -> None:
    greys = []
    for name in (t1, t1.replace("T1.", "T2.").replace("T1W", "T2W").replace("t1.", "t2.")):
        volume = read_volume(shared_data / "volumes" / name)
        slices = to_slices(volume.image, Plane.AXIAL)
        greys.append(grey_quartiles(map(find_mapping(volume, Modality.MR), slices)))
    of_t1, of_t2 = greys
    assert is_t2_beside(of_t2, of_t1)
    assert not is_t2_beside(of_t1, of_t2)
