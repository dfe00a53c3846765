"""CSAFusionLib.demo.brain"""

from __future__ import annotations

import pytest
import SimpleITK as sitk

from CSAFusionLib.demo import brain
from CSAFusionLib.errors import InputError
from CSAFusionLib.geometry.grid import same_grid


def test_template_and_tissue_maps_share_one_grid() -> None:
    t1, grey, white = brain.read_t1(), brain.read_tissue("gm"), brain.read_tissue("wm")
    assert t1.GetSize() == (197, 233, 189)
    assert same_grid(t1, grey)
    assert same_grid(t1, white)


def test_tissue_is_a_share() -> None:
    figures = sitk.MinimumMaximumImageFilter()
    figures.Execute(brain.read_tissue("gm"))
    assert (figures.GetMinimum(), figures.GetMaximum()) == (0, 1)


def test_without_nilearn_the_user_is_told_what_to_install(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(brain, "find_spec", lambda name: None)
    with pytest.raises(InputError, match="pip install nilearn"):
        brain.read_t1()
