"""Transforms between MRML and ITK, and registrations as nodes."""

from __future__ import annotations

import numpy as np
import pytest
import SimpleITK as sitk
import slicer
import vtk
from vtk.util.numpy_support import numpy_to_vtk

from CSAFusionLib.errors import RegistrationError
from CSAFusionLib.registration.foreign_transforms import Frame, Frames
from CSAFusionLib.registration.given_transform import read_given
from CSAFusionLib.slicer_host.nodes import (
    ijk_to_ras_of,
    matrix_from_vtk,
    read_transform,
    transform_between,
    vtk_from_matrix,
    write_transform,
)
from CSAFusionLib.slicer_host.volume_nodes import volume_from_node
from Testing.host.command_line_modules import load_transform
from Testing.host.scene import (
    ANISOTROPIC,
    LEFT_HANDED,
    OBLIQUE,
    a_b_spline,
    a_blob,
    a_blob_node,
    a_linear_transform_node,
    a_nonlinear_transform_node,
    a_volume_node,
    rotation,
    snapshot,
    to_world,
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


RIGID = sitk.Euler3DTransform((5.0, -3.0, 2.0), 0.2, -0.1, 0.15, (6.0, -4.0, 3.0))


def a_deformation() -> sitk.Transform:
    """Rigid, then a smooth displacement of some millimetres, as SyN gives."""
    coarse = sitk.GetImageFromArray(np.random.default_rng(3).normal(0, 2, (5, 5, 5, 3)), isVector=True)
    coarse.SetSpacing([25.0] * 3)
    coarse.SetOrigin([-50.0] * 3)
    fine = sitk.Resample(coarse, [41] * 3, sitk.Transform(), sitk.sitkBSpline, coarse.GetOrigin(), [2.5] * 3)
    return sitk.CompositeTransform([RIGID, sitk.DisplacementFieldTransform(sitk.Cast(fine, sitk.sitkVectorFloat64))])


def points_of(fixed: slicer.vtkMRMLVolumeNode) -> np.ndarray:
    """Points of the fixed node inside its field of view, RAS, before its parent transform."""
    image = volume_from_node(fixed, fixed.GetParentTransformNode()).image
    indices = np.random.default_rng(4).uniform((3, 3, 2), (22, 18, 11), (40, 3))
    return np.array([image.TransformContinuousIndexToPhysicalPoint(index) for index in indices]) * [-1, -1, 1]


def assert_moving_lies_on_fixed(transform, fixed, moving, from_frame, node, atol):
    """Under the node, the moving point that the registration assigns to a fixed point is seen where that is seen."""
    fixed_points = points_of(fixed)
    in_frame = np.array([transform.TransformPoint((p * [-1, -1, 1]).tolist()) for p in fixed_points]) * [-1, -1, 1]
    moving_points = from_frame(in_frame)
    moving.SetAndObserveTransformNodeID(node.GetID())
    np.testing.assert_allclose(to_world(moving, moving_points), to_world(fixed, fixed_points), atol=atol)


@pytest.mark.parametrize("matrix", [OBLIQUE, LEFT_HANDED, ANISOTROPIC])
def test_a_linear_registration_carries_moving_points_to_fixed_points(matrix):
    fixed, moving = a_blob_node("F", matrix), a_blob_node("M")
    node = write_transform(RIGID, fixed, moving)
    assert node.GetClassName() == "vtkMRMLLinearTransformNode"
    assert_moving_lies_on_fixed(RIGID, fixed, moving, lambda points: points, node, 1e-9)


def test_a_deformation_carries_moving_points_to_fixed_points():
    fixed, moving = a_blob_node("F"), a_blob_node("M")
    transform = a_deformation()
    node = write_transform(transform, fixed, moving)
    assert node.GetClassName() == "vtkMRMLGridTransformNode"
    assert_moving_lies_on_fixed(transform, fixed, moving, lambda points: points, node, 0.02)


@pytest.mark.parametrize("transform", [RIGID, a_deformation()], ids=["rigid", "deformation"])
def test_parent_transforms_of_both_are_taken_into_account(transform):
    of_fixed, of_moving = rotation(20, (10, 0, 0)), rotation(-35, (0, 5, 8), axis=0)
    fixed = a_blob_node("F", parent=a_linear_transform_node(of_fixed))
    moving = a_blob_node("M", parent=a_linear_transform_node(of_moving))
    back = np.linalg.inv(of_moving) @ of_fixed
    node = write_transform(transform, fixed, moving)
    atol = 1e-9 if transform is RIGID else 0.02
    assert_moving_lies_on_fixed(transform, fixed, moving, lambda p: p @ back[:3, :3].T + back[:3, 3], node, atol)


def test_a_nonlinear_parent_makes_even_a_rigid_registration_a_grid():
    parent = a_nonlinear_transform_node()
    fixed = a_blob_node("F")
    moving = a_blob_node("M", parent=parent)
    node = write_transform(RIGID, fixed, moving)
    assert node.GetClassName() == "vtkMRMLGridTransformNode"
    inverse = parent.GetTransformToParent().GetInverse()
    back = lambda points: np.array([inverse.TransformPoint(point) for point in points])  # noqa: E731
    assert_moving_lies_on_fixed(RIGID, fixed, moving, back, node, 0.05)


def test_a_moving_image_put_under_the_node_looks_like_the_fixed_one():
    fixed = a_blob_node("F")
    image = volume_from_node(fixed).image
    centre = image.TransformContinuousIndexToPhysicalPoint((12.5, 10.5, 6.5))
    transform = sitk.Euler3DTransform(centre, 0.1, -0.1, 0.15, (2.0, -1.5, 2.0))
    array = sitk.GetArrayFromImage(sitk.Resample(image, image, transform.GetInverse(), sitk.sitkBSpline))
    moving = a_volume_node("M", array, OBLIQUE)
    moving.SetAndObserveTransformNodeID(write_transform(transform, fixed, moving).GetID())
    seen = sitk.GetArrayFromImage(
        sitk.Resample(volume_from_node(moving).image, image, sitk.Transform(), sitk.sitkBSpline)
    )
    inside = np.s_[4:-4, 6:-6, 6:-6]
    error, without = (np.abs(other - a_blob())[inside].mean() for other in (seen, array))
    assert error < 0.2 and error < without / 20


def test_a_given_node_is_used_where_it_can_hold_the_transform(scene):
    fixed, moving = a_blob_node("F"), a_blob_node("M")
    general = scene.AddNewNodeByClass("vtkMRMLTransformNode", "Mine")
    assert write_transform(RIGID, fixed, moving, general) is general
    assert general.IsLinear()
    assert write_transform(a_deformation(), fixed, moving, general) is general
    assert not general.IsLinear()


@pytest.mark.parametrize(
    ("transform", "unfit"), [(RIGID, "vtkMRMLGridTransformNode"), (a_deformation(), "vtkMRMLLinearTransformNode")]
)
def test_a_given_node_that_cannot_hold_the_transform_is_left_alone(scene, transform, unfit):
    fixed, moving = a_blob_node("F"), a_blob_node("M")
    given = scene.AddNewNodeByClass(unfit, "Mine")
    before = snapshot()
    node = write_transform(transform, fixed, moving, given)
    assert node is not given and node.GetName() == "M to F"
    assert {key: state for key, state in snapshot().items() if key in before} == before


def test_writing_leaves_the_volumes_alone():
    fixed, moving = a_blob_node("F"), a_blob_node("M")
    before = snapshot()
    write_transform(a_deformation(), fixed, moving)
    assert {key: state for key, state in snapshot().items() if key in before} == before


@pytest.mark.parametrize("transform", [RIGID, a_deformation()], ids=["rigid", "deformation"])
def test_what_was_written_is_read_back(transform):
    fixed, moving = a_blob_node("F"), a_blob_node("M")
    back = read_transform(write_transform(transform, fixed, moving))
    # ITK interpolates between the displacements linearly, Slicer smoothly.
    atol = 1e-9 if transform is RIGID else 0.1
    for point in points_of(fixed) * [-1, -1, 1]:
        np.testing.assert_allclose(
            back.TransformPoint(point.tolist()), transform.TransformPoint(point.tolist()), atol=atol
        )


def test_a_b_spline_and_a_chain_are_read_exactly(scene):
    image = volume_from_node(a_blob_node("F")).image
    chain = sitk.CompositeTransform([RIGID, a_b_spline(image)])
    node = scene.AddNewNodeByClass("vtkMRMLTransformNode")
    load_transform(chain, node)
    before = snapshot()
    back = read_transform(node)
    assert snapshot() == before
    point = image.TransformContinuousIndexToPhysicalPoint((12.5, 10.5, 6.5))
    np.testing.assert_allclose(back.TransformPoint(point), chain.TransformPoint(point), atol=1e-9)


def test_a_transform_without_an_expression_in_itk_is_told():
    node = a_nonlinear_transform_node()
    with pytest.raises(RegistrationError, match="'spline' cannot be read"):
        read_transform(node)


@pytest.mark.parametrize("ending", [".h5", ".tfm", ".txt"])
@pytest.mark.parametrize("way", ["ToParent", "FromParent"])
def test_a_file_that_slicer_saves_moves_points_as_its_node_does(scene, tmp_path, ending: str, way: str) -> None:
    """A node goes from the moving volume to the fixed one; its file, as ITK's files do, from fixed to moving."""
    matrix = vtk.vtkTransform()
    matrix.RotateZ(10)
    matrix.RotateX(5)
    matrix.Translate(3, 4, 5)
    node = scene.AddNewNodeByClass("vtkMRMLTransformNode")
    getattr(node, f"SetAndObserveTransform{way}")(matrix)
    storage = slicer.vtkMRMLTransformStorageNode()
    storage.SetFileName(str(tmp_path / f"saved{ending}"))
    assert storage.WriteData(node)
    grid = Frame(sitk.Image([4, 4, 4], sitk.sitkUInt8))
    transform = read_given([tmp_path / f"saved{ending}"], Frames(grid, grid)).transform
    from_parent = vtk.vtkGeneralTransform()
    node.GetTransformFromWorld(from_parent)
    moved = np.array(from_parent.TransformPoint(5.0, 7.0, -11.0)) * [-1, -1, 1]
    np.testing.assert_allclose(transform.TransformPoint((-5.0, -7.0, -11.0)), moved, atol=1e-6)


@pytest.mark.parametrize("ending", [".h5", ".tfm"])
@pytest.mark.parametrize("way", ["ToParent", "FromParent"])
def test_a_deformation_that_slicer_saves_either_way_is_read(scene, tmp_path, ending: str, way: str) -> None:
    displacements = np.indices((9, 9, 9)).reshape(3, -1).T[:, ::-1] * 20.0 - 80
    displacements = np.sin(displacements / 40)[:, [1, 2, 0]] * [4, 3, 2]
    image = vtk.vtkImageData()
    image.SetDimensions(9, 9, 9)
    image.SetSpacing(20, 20, 20)
    image.SetOrigin(-80, -80, -80)
    image.GetPointData().SetScalars(numpy_to_vtk(displacements, deep=True))
    grid = slicer.vtkOrientedGridTransform()
    grid.SetDisplacementGridData(image)
    grid.SetInterpolationModeToLinear()
    node = scene.AddNewNodeByClass("vtkMRMLTransformNode")
    getattr(node, f"SetAndObserveTransform{way}")(grid)
    storage = slicer.vtkMRMLTransformStorageNode()
    storage.SetFileName(str(tmp_path / f"saved{ending}"))
    assert storage.WriteData(node)
    frame = Frame(sitk.Image([4, 4, 4], sitk.sitkUInt8))
    given = read_given([tmp_path / f"saved{ending}"], Frames(frame, frame))
    from_parent = vtk.vtkGeneralTransform()
    node.GetTransformFromWorld(from_parent)
    for point in ((5.0, 7.0, -11.0), (-35.0, 21.0, 44.0)):
        moved = np.array(from_parent.TransformPoint(point)) * [-1, -1, 1]
        found = given.transform.TransformPoint((-point[0], -point[1], point[2]))
        # Slicer itself iterates to no more than 0.001 mm.
        assert np.linalg.norm(found - moved) < (1e-4 if way == "FromParent" else 0.05)
    assert bool(given.notes) == (way == "ToParent")
