"""CSAFusionLib.cli.development.demo"""

from __future__ import annotations

import pytest
import SimpleITK as sitk

from CSAFusionLib.cli.development import demo
from CSAFusionLib.errors import InputError
from CSAFusionLib.geometry.grid import same_grid


def test_template_and_tissue_maps_share_one_grid() -> None:
    t1, grey, white = demo.read_t1(), demo.read_tissue("gm"), demo.read_tissue("wm")
    assert t1.GetSize() == (197, 233, 189)
    assert same_grid(t1, grey)
    assert same_grid(t1, white)


def test_tissue_is_a_share() -> None:
    figures = sitk.MinimumMaximumImageFilter()
    figures.Execute(demo.read_tissue("gm"))
    assert (figures.GetMinimum(), figures.GetMaximum()) == (0, 1)


def test_without_nilearn_the_user_is_told_what_to_install(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(demo, "find_spec", lambda name: None)
    with pytest.raises(InputError, match="pip install nilearn"):
        demo.read_t1()
