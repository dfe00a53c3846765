"""CSAFusionLib.fusion.picture_pairs"""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest

from CSAFusionLib.errors import Cancelled, InputError
from CSAFusionLib.fusion.picture_pairs import fuse_pictures
from CSAFusionLib.fusion.settings import FusionSettings
from CSAFusionLib.intensity.modality import Modality


@pytest.fixture
def settings(weights_file: Path) -> FusionSettings:
    return FusionSettings(weights=str(weights_file), device="cpu")


def picture(seed: int, *shape: int) -> np.ndarray:
    return np.random.default_rng(seed).random(shape, dtype=np.float32)


def test_grey_pictures_give_grey_ones_of_the_same_size(settings: FusionSettings) -> None:
    fused = fuse_pictures([picture(1, 30, 40), picture(2, 20, 18)], [picture(3, 30, 40), picture(4, 20, 18)], settings)
    assert [(each.shape, each.dtype) for each in fused.pictures] == [((30, 40), np.uint8), ((20, 18), np.uint8)]


def test_a_picture_in_colour_gives_colour_and_is_taken_as_functional(settings: FusionSettings) -> None:
    fused = fuse_pictures([picture(1, 30, 40)], [picture(2, 30, 40, 3)], settings)
    assert fused.pictures[0].shape == (30, 40, 3)
    assert fused.provenance["moving"] == {"modality": "PET", "modality_is_guessed": True}
    assert fused.provenance["fixed"] == {"modality": "MR", "modality_is_guessed": True}


def test_the_order_of_the_two_pictures_does_not_matter_where_their_modalities_decide(settings: FusionSettings) -> None:
    ct, mr = [picture(1, 30, 40)], [picture(2, 30, 40)]
    one = FusionSettings(**vars(settings) | {"fixed_modality": Modality.CT, "moving_modality": Modality.MR})
    other = FusionSettings(**vars(settings) | {"fixed_modality": Modality.MR, "moving_modality": Modality.CT})
    np.testing.assert_array_equal(fuse_pictures(ct, mr, one).pictures[0], fuse_pictures(mr, ct, other).pictures[0])
    assert (fuse_pictures(mr, ct, one).pictures[0] != fuse_pictures(ct, mr, one).pictures[0]).any()


def test_pictures_of_two_sizes_are_refused(settings: FusionSettings) -> None:
    with pytest.raises(InputError, match="40 x 30 and 41 x 30 pixels"):
        fuse_pictures([picture(1, 30, 40)], [picture(2, 30, 41)], settings)


def test_a_cancelled_run_stops_between_pictures(settings: FusionSettings) -> None:
    def cancel(stage: str, done: int, total: int) -> None:
        assert total == 2
        if done == 1:
            raise Cancelled

    with pytest.raises(Cancelled):
        fuse_pictures([picture(1, 30, 40)] * 2, [picture(2, 30, 40)] * 2, settings, cancel)
