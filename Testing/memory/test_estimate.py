"""CSAFusionLib.memory.estimate"""

from __future__ import annotations

import subprocess
import sys

import pytest
import SimpleITK as sitk

from CSAFusionLib.errors import NotEnoughMemory
from CSAFusionLib.memory.available import Available
from CSAFusionLib.memory.estimate import Need, check_memory, fusion_need, in_gib

GIB = 2**30


def test_what_does_not_fit_is_refused_with_both_figures() -> None:
    with pytest.raises(NotEnoughMemory, match=r"about 4\.0 GiB .* and 2\.0 GiB are free; close other programs"):
        check_memory(Need(5 * GIB, GIB), Available(2 * GIB, None))


def test_a_limit_of_the_address_space_counts_too() -> None:
    with pytest.raises(NotEnoughMemory, match="are free"):
        check_memory(Need(5 * GIB, GIB), Available(None, 3 * GIB))


@pytest.mark.parametrize("room", [Available(None, None), Available(4 * GIB, None), Available(9 * GIB, 9 * GIB)])
def test_what_fits_or_is_not_known_is_not_refused(room: Available) -> None:
    check_memory(Need(5 * GIB, GIB), room)


@pytest.mark.skipif(sys.platform != "linux", reason="the limit and /proc are Linux's")
def test_torch_is_not_loaded_where_that_would_end_the_process() -> None:
    code = (
        "import resource; resource.setrlimit(resource.RLIMIT_AS, (2**29, 2**29));"
        "from CSAFusionLib.memory.estimate import check_room_for_torch; check_room_for_torch()"
    )
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True)
    assert "NotEnoughMemory: PyTorch needs about 640 MiB" in done.stderr


def test_more_voxels_colour_and_wider_values_need_more() -> None:
    small, large = (sitk.Image([side] * 3, sitk.sitkUInt8) for side in (20, 40))
    wide = sitk.Cast(large, sitk.sitkFloat64)
    asked = {"in_colour": False, "slices_at_once": 1, "pixels": 400}
    needs = [fusion_need(*pair, **asked).total for pair in ((small, small), (large, small), (wide, small))]
    needs.append(fusion_need(wide, small, **asked | {"in_colour": True}).total)
    assert needs == sorted(needs) and len(set(needs)) == 4
    assert fusion_need(small, small, **asked | {"slices_at_once": 9}).total > needs[0]


@pytest.mark.parametrize(("size", "said"), [(1, "1 MiB"), (500 * 2**20, "500 MiB"), (1.26 * GIB, "1.3 GiB")])
def test_sizes_are_told_to_be_read(size: float, said: str) -> None:
    assert in_gib(size) == said
