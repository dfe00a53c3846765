"""How a result was made survives as attributes of its node, also in a saved scene."""

from __future__ import annotations

import pytest

from CSAFusionLib.slicer_host.nodes import provenance_of, write_provenance

PROVENANCE = {
    "notice": "Research use only.",
    "settings": {"seed": 5, "device": "cpu"},
    "weights": {"name": "t1-t2", "sha256": "0" * 64},
    "registration": {"metric": {"overlap_after": 0.5}, "seconds": 1.5, "model": None},
    "warnings": ["one", "two"],
}


@pytest.fixture
def node(scene):
    return scene.AddNewNodeByClass("vtkMRMLScalarVolumeNode")


def test_what_was_written_is_read_back(node):
    write_provenance(node, PROVENANCE)
    assert provenance_of(node) == PROVENANCE


def test_an_earlier_result_leaves_nothing_and_other_attributes_stay(node):
    node.SetAttribute("Mine", "kept")
    write_provenance(node, PROVENANCE)
    write_provenance(node, {"notice": "new"})
    assert provenance_of(node) == {"notice": "new"} and node.GetAttribute("Mine") == "kept"


def test_a_node_that_is_no_result_has_none(node):
    assert provenance_of(node) == {}
