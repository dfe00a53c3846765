"""Tests of the choices a menu offers."""

from __future__ import annotations

import pytest

from CSAFusionLib.registration.methods import Method, TransformModel


@pytest.mark.parametrize("choice", [*Method, *TransformModel])
def test_every_choice_is_called_by_its_name_in_small_letters(choice: Method | TransformModel) -> None:
    assert choice.value == choice.name.lower()


@pytest.mark.parametrize("model", [TransformModel.SYN, TransformModel.RIGID_AFFINE_SYN])
def test_ants_alone_finds_symmetric_normalisations_and_so_does_what_chooses_it(model: TransformModel) -> None:
    assert [method for method in Method if model in method.models] == [Method.AUTO, Method.ANTS]


def test_rigid_and_affine_transforms_alone_are_linear() -> None:
    assert [model for model in TransformModel if model.is_linear] == [TransformModel.RIGID, TransformModel.AFFINE]


def test_the_header_geometry_offers_no_model() -> None:
    assert Method.NONE.models == ()
