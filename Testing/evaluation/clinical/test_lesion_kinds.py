from __future__ import annotations

import numpy as np
import pytest

from CSAFusionLib.evaluation.clinical.lesion_kinds import LESION_KINDS, places_for_all_kinds, put_in

HEAD = np.where(np.hypot(*(np.indices((200, 200)) - 100)) < 90, 0.5, 0).astype(np.float32)


def test_a_place_has_room_in_both_sources_and_lies_away_from_the_border() -> None:
    bright = HEAD.copy()
    bright[:, 100:] *= 1.9
    everywhere, left = places_for_all_kinds(HEAD, HEAD, 0.2), places_for_all_kinds(HEAD, bright, 0.2)
    assert len(everywhere) > len(left) > 0
    assert all(column < 100 for _, column, _ in left)
    assert {diameter for *_, diameter in everywhere} == {6, 10, 16}
    assert all(40 <= row < 160 for row, _, _ in places_for_all_kinds(HEAD, HEAD, 0.2, margin=40))


@pytest.mark.parametrize("kind", LESION_KINDS)
def test_a_lesion_changes_each_source_by_its_sign(kind: str) -> None:
    places = places_for_all_kinds(HEAD, HEAD, 0.2)
    row, column, _ = places[0]
    for sign, marked in zip(LESION_KINDS[kind], put_in(places, kind, 0.2, HEAD, HEAD), strict=True):
        assert marked[row, column] - HEAD[row, column] == pytest.approx(0.2 * sign, abs=1e-6)
