"""CSAFusionLib/volumes/choice.py."""

from __future__ import annotations

import pytest

from CSAFusionLib.errors import InputError
from CSAFusionLib.volumes.input_path import SeveralVolumesError, chosen

TWO = [("magnitude", 6), ("", 1)]


def test_the_only_volume_needs_no_number_and_others_do() -> None:
    assert chosen("a", [("", 6)], None) == 0
    assert chosen("a", [("", 6)], 1) == 0
    assert chosen("a", TWO, 2) == 1


def test_several_volumes_are_listed_with_what_tells_them_apart() -> None:
    with pytest.raises(SeveralVolumesError) as refusal:
        chosen("a.dcm", TWO, None)
    assert str(refusal.value) == (
        "'a.dcm' holds 2 volumes: 1 (magnitude, 6 slices), 2 (1 slice); choose one by its number with --volume."
    )
    with pytest.raises(SeveralVolumesError, match=r"holds 60 volumes: .*8 \(3 slices\), \.\.\. 60; choose"):
        chosen("a.dcm", [("", 3)] * 60, None)


@pytest.mark.parametrize(("volumes", "number"), [(TWO, 0), (TWO, 3), (TWO, -1), (TWO[:1], 2)])
def test_a_number_that_is_none_of_them_is_refused(volumes, number: int) -> None:
    with pytest.raises(InputError, match=f"there is no volume {number}; choose from 1 to {len(volumes)}"):
        chosen("a", volumes, number)
