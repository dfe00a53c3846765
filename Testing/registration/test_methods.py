"""Tests of the choices a menu offers."""

from __future__ import annotations

import pytest

from CSAFusionLib.registration.methods import Method, TransformModel


@pytest.mark.parametrize("choice", [*Method, *TransformModel])
def test_every_choice_has_a_title_and_a_tooltip(choice: Method | TransformModel) -> None:
    assert choice.title
    assert choice.tooltip.endswith(".")


def test_only_ants_offers_a_deformable_transform() -> None:
    assert [method for method in Method if TransformModel.SYN in method.models] == [Method.ANTS]


def test_the_header_geometry_offers_no_model() -> None:
    assert Method.NONE.models == ()
