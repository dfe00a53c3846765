"""Matrices and transforms between nodes."""

from __future__ import annotations

import numpy as np
import vtk

from CSAFusionLib.slicer_host.transform_nodes import ijk_to_ras_of, matrix_from_vtk, transform_between, vtk_from_matrix
from Testing.host.scene import (
    OBLIQUE,
    a_blob_node,
    a_linear_transform_node,
    a_nonlinear_transform_node,
    rotation,
)


def test_the_matrix_of_a_node_leaves_its_parent_out():
    node = a_blob_node("A", parent=a_linear_transform_node(rotation(30)))
    np.testing.assert_allclose(ijk_to_ras_of(node), OBLIQUE, atol=1e-12)


def test_points_go_from_one_transform_over_the_world_to_another():
    source = a_linear_transform_node(rotation(30, (1, 2, 3)))
    target = a_linear_transform_node(rotation(-50, (4, 5, 6), axis=1))
    expected = np.linalg.inv(rotation(-50, (4, 5, 6), axis=1)) @ rotation(30, (1, 2, 3)) @ [7, 8, 9, 1]
    np.testing.assert_allclose(transform_between(source, target).TransformPoint(7, 8, 9), expected[:3], atol=1e-9)


def test_between_a_transform_and_itself_nothing_happens_even_where_it_has_no_exact_inverse():
    node = a_nonlinear_transform_node(strength=20)
    assert transform_between(node, node).TransformPoint(1, 2, 3) == (1, 2, 3)


def test_matrices_survive_the_way_through_vtk():
    np.testing.assert_array_equal(matrix_from_vtk(vtk_from_matrix(OBLIQUE)), OBLIQUE)
    assert isinstance(vtk_from_matrix(OBLIQUE), vtk.vtkMatrix4x4)
