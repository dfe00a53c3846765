"""The window of a T1 beside a T2, of CSAFusionLib.intensity.mapping"""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest

from CSAFusionLib.geometry.planes import Plane, to_slices
from CSAFusionLib.intensity.mapping import (
    TISSUE_LEVEL,
    IntensityMapping,
    find_mapping,
    no_brighter_than_t2,
    tissue_at_level,
)
from CSAFusionLib.intensity.modality import Modality, grey_quartiles
from CSAFusionLib.volumes.reading import read_volume

PLAIN = IntensityMapping(100.0, 1100.0)


@pytest.mark.parametrize("middle", [0.2, 0.35, 0.5, 0.6, 0.75, 0.95])
def test_the_middle_of_the_tissue_comes_to_one_grey_and_black_stays(middle: float) -> None:
    levelled = tissue_at_level(PLAIN, middle)
    values = np.array([100.0, 100 + 1000 * middle])
    np.testing.assert_allclose(levelled(values), [0, TISSUE_LEVEL], atol=1e-6)


@pytest.mark.parametrize("middle", [0.05, 0.3, 0.59])
def test_what_is_brighter_than_tissue_shares_the_rest_up_to_the_same_white(middle: float) -> None:
    levelled = tissue_at_level(PLAIN, middle)
    greys = levelled(np.linspace(100, 1100, 200))
    assert (np.diff(greys) > 0).all()
    assert greys[-1] == 1


def test_without_tissue_or_with_a_window_of_two_slopes_nothing_changes() -> None:
    two_slopes = IntensityMapping(0.0, 100.0, knee=(50.0, 0.9))
    assert tissue_at_level(PLAIN, 0.0) == PLAIN
    assert tissue_at_level(two_slopes, 0.3) == two_slopes


def test_a_flair_in_the_place_of_a_t2_is_dimmed_and_a_t2_is_not(shared_data: Path) -> None:
    middles = []
    for name in ("T2", "FLAIR"):
        volume = read_volume(shared_data / f"volumes/stroke/{name}.nii.gz")
        mapping = find_mapping(volume, Modality.MR)
        slices = to_slices(volume.image, Plane.AXIAL)
        shown = no_brighter_than_t2(mapping, grey_quartiles(map(mapping, slices))[1])
        middles.append((shown == mapping, grey_quartiles(map(shown, slices))[1]))
    (kept, of_t2), (left, of_flair) = middles
    assert (kept, left) == (True, False)
    assert of_t2 < of_flair == pytest.approx(0.42, abs=0.01)


def test_white_matter_of_heads_with_and_without_scalp_has_one_grey(shared_data: Path) -> None:
    greys = []
    for name in ("open_ms/mni_patient07/T1", "open_ms/patient12/study1_T1W", "open_ms/patient01/study1_T1W"):
        volume = read_volume(shared_data / "volumes" / f"{name}.nii.gz")
        mapping = find_mapping(volume, Modality.MR)
        slices = to_slices(volume.image, Plane.AXIAL)
        levelled = tissue_at_level(mapping, grey_quartiles(map(mapping, slices))[1])(slices)
        # In a T1 the brain's brightest broad class: the mode of the upper half of the greys below fat.
        counts, edges = np.histogram(levelled[(levelled > TISSUE_LEVEL) & (levelled < 0.8)], 40)
        greys.append(float(edges[counts.argmax()]))
    assert np.ptp(greys) < 0.08
