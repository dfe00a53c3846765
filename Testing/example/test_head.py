"""CSAFusionLib.example.head"""

from __future__ import annotations

import numpy as np
import pytest
import SimpleITK as sitk

from CSAFusionLib.example.head import LESION_MM, head_tissues, simulate_t1, tracer_tissues
from CSAFusionLib.example.simulated_pet import known_movement, simulate_pet
from CSAFusionLib.intensity.modality import Modality, guess_modality
from CSAFusionLib.volumes.volume import Volume


@pytest.fixture(scope="module")
def tissues() -> dict[str, sitk.Image]:
    return head_tissues()


def array(image: sitk.Image) -> np.ndarray:
    return sitk.GetArrayFromImage(image).astype(float)


def test_every_voxel_of_the_head_is_of_one_tissue(tissues):
    total = sum(array(tissues[name]) for name in ("fluid", "grey", "white", "bone", "scalp"))
    inside = array(tissues["white"]) > 0.5
    np.testing.assert_allclose(total[inside], 1, atol=0.05)
    assert total.min() > -0.01 and total.max() < 1.05
    share = {name: array(tissues[name]).sum() / total.sum() for name in tissues}
    assert share["grey"] > 0.1 and share["white"] > 0.2 and share["bone"] > 0.1


def test_left_is_not_right_and_front_is_not_back(tissues):
    head = array(tissues["grey"])
    for axis in (1, 2):
        assert np.corrcoef(head.ravel(), np.flip(head, axis).ravel())[0, 1] < 0.7


def test_the_spot_lies_in_white_matter_where_it_is_said_to_be(tissues):
    spot = array(tissues["lesion"])
    centre = np.average(np.indices(spot.shape).reshape(3, -1), axis=1, weights=spot.ravel())[::-1]
    left, back, up = tissues["lesion"].TransformContinuousIndexToPhysicalPoint(centre.tolist())
    np.testing.assert_allclose((-left, -back, up), LESION_MM, atol=4)
    assert (array(tissues["white"]) - spot).min() > -0.05


def test_the_two_volumes_are_guessed_as_what_they_are(tissues):
    t1 = simulate_t1(tissues)
    pet = simulate_pet(*tracer_tissues(tissues), known_movement())
    assert guess_modality(Volume(t1, "T1")) is Modality.MR and guess_modality(Volume(pet, "PET")) is Modality.PET
    assert sitk.GetArrayViewFromImage(t1).min() >= 0


def test_one_seed_makes_one_image(tissues):
    first, again, other = (sitk.GetArrayFromImage(simulate_t1(tissues, seed)) for seed in (3, 3, 4))
    np.testing.assert_array_equal(first, again)
    assert (first != other).any()
