"""CSAFusionLib/geometry/planes.py."""

from __future__ import annotations

import itertools

import numpy as np
import pytest
import SimpleITK as sitk

from CSAFusionLib.geometry.planes import (
    Plane,
    acquired_plane,
    from_slices,
    settled_plane,
    slice_centres,
    slice_spacing,
    to_slices,
)

PLANES = [Plane.AUTO, Plane.AXIAL, Plane.SAGITTAL, Plane.CORONAL, Plane.ACQUIRED]
ORIENTATIONS = ["LPS", "RAS", "LAS", "RPI", "SRP", "AIL", "PSR", "IPR", "ASL", "RAI"]


def _an_image(size=(5, 6, 7), spacing=(1.0, 1.1, 1.2), components=1) -> sitk.Image:
    shape = size[::-1] + ((components,) if components > 1 else ())
    image = sitk.GetImageFromArray(np.random.default_rng(0).normal(size=shape), isVector=components > 1)
    image.SetSpacing(spacing)
    image.SetOrigin((-3.0, 20.5, 7.25))
    return image


def _turned(image: sitk.Image, rotation: sitk.Transform) -> sitk.Image:
    """The same voxels with the patient turned as a whole."""
    matrix = np.reshape(rotation.GetMatrix(), (3, 3))
    turned = sitk.Image(image)
    turned.SetDirection((matrix @ np.reshape(image.GetDirection(), (3, 3))).ravel())
    turned.SetOrigin((matrix @ image.GetOrigin()).tolist())
    return turned


def _every_storage(image: sitk.Image):
    """The same physical image in all 48 axis orders and directions, left-handed ones too."""
    for order in itertools.permutations(range(3)):
        for flips in itertools.product([False, True], repeat=3):
            yield sitk.Flip(sitk.PermuteAxes(image, order), flips)


def test_the_ten_stored_orientations_give_the_same_slices(shared_data) -> None:
    files = sorted((shared_data / "volumes" / "orientations").glob("*.nii.gz"))
    assert len(files) == 10
    for plane in PLANES:
        slices = [to_slices(sitk.ReadImage(str(file)), plane) for file in files]
        for other in slices[1:]:
            np.testing.assert_array_equal(other, slices[0])


def test_the_ten_stored_orientations_share_their_acquired_plane_and_spacing(shared_data) -> None:
    images = [sitk.ReadImage(str(file)) for file in (shared_data / "volumes" / "orientations").glob("*.nii.gz")]
    assert len({acquired_plane(image) for image in images}) == 1
    sides = np.array([slice_spacing(image, Plane.CORONAL) for image in images])
    np.testing.assert_allclose(sides, np.broadcast_to(sides[0], sides.shape), rtol=1e-5)


@pytest.mark.parametrize("degrees", [19, 45, -45])
@pytest.mark.parametrize("axis", [(1, 0, 0), (0, 1, 0), (0, 0, 1), (1, 1, 0)])
def test_storage_order_never_shows_in_the_slices(degrees: float, axis: tuple) -> None:
    rotation = sitk.VersorRigid3DTransform()
    rotation.SetRotation(axis, np.radians(degrees))
    image = _turned(_an_image(), rotation)
    for plane in (Plane.AXIAL, Plane.SAGITTAL):
        expected = to_slices(image, plane)
        for stored in _every_storage(image):
            np.testing.assert_array_equal(to_slices(stored, plane), expected)


@pytest.mark.parametrize("degrees", [44.99999, 45, 45.00001])
def test_header_rounding_at_45_degrees_does_not_change_the_slices_between_storage_orders(degrees: float) -> None:
    rotation = sitk.VersorRigid3DTransform()
    rotation.SetRotation((1, 0, 0), np.radians(degrees))
    image = _turned(_an_image(), rotation)
    for stored in _every_storage(image):
        stored.SetDirection(np.float32(stored.GetDirection()).astype(float).tolist())
        np.testing.assert_array_equal(to_slices(stored, Plane.AXIAL), to_slices(image, Plane.AXIAL))


def test_axial_slices_run_to_superior_rows_to_posterior_columns_to_left() -> None:
    # A plain LPS image: index (i, j, k) grows to left, posterior, superior.
    image = _an_image()
    voxels = sitk.GetArrayFromImage(image)
    np.testing.assert_array_equal(to_slices(image, Plane.AXIAL), voxels)


def test_coronal_slices_run_to_posterior_with_superior_up() -> None:
    image = _an_image()
    voxels = sitk.GetArrayFromImage(image)
    np.testing.assert_array_equal(to_slices(image, Plane.CORONAL), voxels.transpose(1, 0, 2)[:, ::-1, :])


def test_sagittal_slices_run_to_left_with_superior_up_and_anterior_at_the_left() -> None:
    image = _an_image()
    voxels = sitk.GetArrayFromImage(image)
    np.testing.assert_array_equal(to_slices(image, Plane.SAGITTAL), voxels.transpose(2, 0, 1)[:, ::-1, :])


def test_slices_agree_with_dicom_orient_on_every_named_orientation() -> None:
    image = _an_image()
    for orientation in ORIENTATIONS:
        stored = sitk.DICOMOrient(image, orientation)
        np.testing.assert_array_equal(to_slices(stored, Plane.AXIAL), sitk.GetArrayFromImage(image))


@pytest.mark.parametrize("plane", PLANES)
def test_slices_return_to_exactly_the_voxels_and_header_they_came_from(plane: Plane) -> None:
    generator = np.random.default_rng(3)
    for trial in range(40):
        rotation = sitk.VersorRigid3DTransform()
        rotation.SetRotation(generator.normal(size=3).tolist(), generator.uniform(-np.pi, np.pi))
        size = tuple(int(length) for length in generator.integers(1, 6, size=3))
        image = _turned(_an_image(size, tuple(generator.uniform(0.3, 6, size=3)), 3 if trial % 2 else 1), rotation)
        image = sitk.Flip(image, [bool(flip) for flip in generator.integers(0, 2, size=3)])
        back = from_slices(to_slices(image, plane), image, plane)
        np.testing.assert_array_equal(sitk.GetArrayFromImage(back), sitk.GetArrayFromImage(image))
        for fact in ("GetSize", "GetOrigin", "GetSpacing", "GetDirection", "GetPixelID"):
            assert getattr(back, fact)() == getattr(image, fact)()


def test_an_oblique_volume_is_sliced_in_its_own_plane(shared_data) -> None:
    image = sitk.ReadImage(str(shared_data / "volumes" / "stroke" / "T1.nii.gz"))
    # Stored RAS, 19 degrees oblique: canonical slices are its own k planes, rows and columns turned to P and L.
    np.testing.assert_array_equal(to_slices(image, Plane.AXIAL), sitk.GetArrayFromImage(image)[:, ::-1, ::-1])


def test_slices_of_a_colour_volume_keep_their_channels_last() -> None:
    image = sitk.PermuteAxes(_an_image(components=3), [2, 0, 1])
    assert to_slices(image, Plane.AXIAL).shape == (7, 6, 5, 3)


def test_slices_outlive_the_image_they_were_cut_from() -> None:
    image = _an_image()
    slices = to_slices(image, Plane.AXIAL)
    before = slices.copy()
    image *= 0
    np.testing.assert_array_equal(slices, before)


@pytest.mark.parametrize(
    ("spacing", "plane"),
    [
        ((1, 1, 4), Plane.AXIAL),
        ((5, 0.5, 0.5), Plane.SAGITTAL),
        ((0.9, 3, 0.9), Plane.CORONAL),
        ((1, 1, 1), Plane.AXIAL),
        ((2.390, 2.366, 2.385), Plane.AXIAL),
        ((1.2, 1, 1), Plane.SAGITTAL),
    ],
)
def test_the_acquired_plane_lies_across_the_thickest_side(spacing: tuple, plane: Plane) -> None:
    image = _an_image(spacing=spacing)
    for stored in _every_storage(image):
        assert acquired_plane(stored) is plane
        np.testing.assert_array_equal(to_slices(stored, Plane.ACQUIRED), to_slices(image, plane))


def test_a_sagittal_acquisition_is_found_sagittal(shared_data) -> None:
    lumbar = shared_data / "volumes" / "lumbar"
    assert acquired_plane(sitk.ReadImage(str(lumbar / "SAG_T1.nii.gz"))) is Plane.SAGITTAL
    assert acquired_plane(sitk.ReadImage(str(lumbar / "AX_T2.nii.gz"))) is Plane.AXIAL


def test_slice_spacing_follows_the_axes_of_the_slices() -> None:
    image = _an_image(spacing=(1.0, 2.0, 3.0))
    for stored in _every_storage(image):
        assert slice_spacing(stored, Plane.AXIAL) == (3.0, 2.0, 1.0)
        assert slice_spacing(stored, Plane.CORONAL) == (2.0, 3.0, 1.0)
        assert slice_spacing(stored, Plane.SAGITTAL) == (1.0, 3.0, 2.0)


@pytest.mark.parametrize("plane", PLANES)
def test_the_centre_of_a_slice_lies_in_the_slice(plane: Plane) -> None:
    for stored in _every_storage(_an_image()):
        for index, centre in enumerate(slice_centres(stored, plane)):
            marked = np.zeros_like(to_slices(stored, plane))
            marked[index] = 1
            image = from_slices(marked, stored, plane)
            middle = np.array(stored.TransformPhysicalPointToContinuousIndex(centre.tolist()))
            assert image[[int(np.floor(one + 0.25)) for one in middle]] == 1


@pytest.mark.parametrize(
    ("spacing", "plane"),
    [
        ((5.0, 0.5, 0.5), Plane.SAGITTAL),
        ((0.5, 7.5, 0.5), Plane.CORONAL),
        ((1.25, 1.25, 4.0), Plane.AXIAL),
        ((1.2, 1.0, 1.0), Plane.AXIAL),
        ((4.0, 4.0, 1.0), Plane.AXIAL),
    ],
)
def test_auto_is_the_acquired_plane_of_clearly_thick_slices_and_else_axial(spacing: tuple, plane: Plane) -> None:
    for image in _every_storage(_an_image(spacing=spacing)):
        assert settled_plane(image, Plane.AUTO) is plane


def test_slices_of_the_automatic_plane_go_back_onto_the_very_grid() -> None:
    image = _an_image(spacing=(5.0, 0.5, 0.5))
    slices = to_slices(image, Plane.AUTO)
    assert slices.shape == (5, 7, 6)
    back = from_slices(slices, image, Plane.AUTO)
    np.testing.assert_array_equal(sitk.GetArrayViewFromImage(back), sitk.GetArrayViewFromImage(image))
    assert (back.GetOrigin(), back.GetSpacing()) == (image.GetOrigin(), image.GetSpacing())
