"""What cannot be fused together is told in one sentence; the panel's Apply button shows it."""

from __future__ import annotations

import pytest

from CSAFusionLib.errors import InputError
from CSAFusionLib.registration.methods import Method, TransformModel
from CSAFusionLib.slicer_host.validation import check_nodes, check_registration
from CSAFusionLib.slicer_host.wording import title_of
from Testing.host.scene import OBLIQUE, a_blob_node, a_linear_transform_node


@pytest.fixture
def nodes():
    return tuple(a_blob_node(name) for name in "FM")


def test_two_volumes_are_enough(nodes):
    check_nodes(*nodes)
    check_nodes(*nodes, [a_blob_node("O"), a_linear_transform_node(OBLIQUE)])


def test_what_is_missing_is_named(nodes):
    with pytest.raises(InputError, match="Select the fixed volume"):
        check_nodes(None, nodes[1])
    with pytest.raises(InputError, match="Select the moving volume"):
        check_nodes(nodes[0], None)
    with pytest.raises(InputError, match="'F' is selected twice"):
        check_nodes(nodes[0], nodes[0])


@pytest.mark.parametrize("index", [0, 1])
def test_an_input_is_never_overwritten(nodes, index):
    with pytest.raises(InputError, match="is an input"):
        check_nodes(*nodes, [nodes[index]])


def test_a_mask_is_never_overwritten(nodes):
    mask = a_blob_node("mask")
    with pytest.raises(InputError, match="'mask' is an input"):
        check_nodes(*nodes, [mask], mask)


@pytest.mark.parametrize("index", [0, 1])
def test_a_transform_above_an_input_is_never_overwritten(nodes, index):
    outer = a_linear_transform_node(OBLIQUE)
    inner = a_linear_transform_node(OBLIQUE, parent=outer)
    nodes[index].SetAndObserveTransformNodeID(inner.GetID())
    for transform in (inner, outer):
        with pytest.raises(InputError, match="already moves"):
            check_nodes(*nodes, [transform])


@pytest.mark.parametrize("method", Method)
@pytest.mark.parametrize("model", TransformModel)
def test_a_method_is_only_asked_for_what_it_can_find(method, model):
    if not method.models or model in method.models:
        check_registration(method, model)
    else:
        with pytest.raises(InputError, match=f"^{title_of(method)} cannot find"):
            check_registration(method, model)
