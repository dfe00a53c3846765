"""CSAFusionLib.volumes.in_memory"""

from __future__ import annotations

import nibabel
import numpy as np
import pytest
import SimpleITK as sitk

from CSAFusionLib.errors import InputError
from CSAFusionLib.geometry.grid import ijk_to_ras, same_grid
from CSAFusionLib.volumes.in_memory import to_volume
from CSAFusionLib.volumes.reading import read_volume

AFFINE = np.array([[-1.5, 0.0, 0.0, 30.0], [0.0, 0.0, 2.5, -20.0], [0.0, 2.0, 0.0, 10.0], [0.0, 0.0, 0.0, 1.0]])


@pytest.fixture
def an_array() -> np.ndarray:
    """Indexed [i, j, k]."""
    return np.random.default_rng(0).integers(0, 1000, (3, 4, 5)).astype(np.int16)


def test_an_affine_puts_each_voxel_where_nibabel_puts_it(an_array) -> None:
    image = to_volume((an_array, AFFINE), "a").image
    assert image[2, 1, 3] == an_array[2, 1, 3]
    np.testing.assert_allclose(ijk_to_ras(image), AFFINE)


def test_an_itk_geometry_puts_each_voxel_where_simpleitk_puts_it(an_array) -> None:
    image = sitk.GetImageFromArray(an_array)
    image.SetSpacing((1.0, 2.0, 3.0))
    image.SetOrigin((5.0, 6.0, 7.0))
    image.SetDirection((0, 1, 0, 1, 0, 0, 0, 0, -1))
    geometry = {"spacing": image.GetSpacing(), "origin": image.GetOrigin(), "direction": image.GetDirection()}
    for given in (geometry, geometry | {"direction": np.reshape(image.GetDirection(), (3, 3))}, image):
        read = to_volume((an_array, given), "a").image
        assert same_grid(read, image)
        assert np.array_equal(sitk.GetArrayFromImage(read), an_array)


def test_origin_and_direction_may_be_left_out(an_array) -> None:
    image = to_volume((an_array, {"spacing": (1, 2, 3)}), "a").image
    assert (image.GetSpacing(), image.GetOrigin()) == ((1, 2, 3), (0, 0, 0))


@pytest.mark.parametrize("scaled", [False, True])
@pytest.mark.parametrize("number_type", [np.uint8, np.int16, np.int32, np.float32, np.float64])
def test_a_nibabel_image_has_the_voxels_and_the_number_type_of_its_file(
    an_array, tmp_path, number_type, scaled
) -> None:
    image = nibabel.Nifti1Image((an_array % 200).astype(number_type), AFFINE)
    if scaled:
        image.header.set_slope_inter(0.37, -5)
    nibabel.save(image, tmp_path / "a.nii")
    if scaled:
        # nibabel resets the scaling when it saves; a scanner's export has one.
        content = bytearray((tmp_path / "a.nii").read_bytes())
        content[112:120] = np.array([0.37, -5], "<f4").tobytes()
        (tmp_path / "a.nii").write_bytes(content)
    expected = read_volume(tmp_path / "a.nii").image
    found = to_volume(nibabel.load(tmp_path / "a.nii"), "a").image
    assert found.GetPixelID() == expected.GetPixelID()
    assert np.array_equal(sitk.GetArrayFromImage(found), sitk.GetArrayFromImage(expected))
    assert same_grid(found, expected)


def test_the_colours_of_a_nibabel_image_are_those_of_its_file(tmp_path) -> None:
    rgb = np.random.default_rng(0).integers(0, 255, (3, 4, 5, 3)).astype(np.uint8)
    structured = rgb.view([("R", "u1"), ("G", "u1"), ("B", "u1")])[..., 0]
    nibabel.save(nibabel.Nifti1Image(structured, AFFINE), tmp_path / "a.nii")
    expected = sitk.GetArrayFromImage(read_volume(tmp_path / "a.nii").image)
    assert np.array_equal(sitk.GetArrayFromImage(to_volume(nibabel.load(tmp_path / "a.nii"), "a").image), expected)
    assert np.array_equal(sitk.GetArrayFromImage(to_volume((rgb, AFFINE), "a").image), expected)


def test_micrometres_of_a_nibabel_header_become_millimetres(an_array) -> None:
    image = nibabel.Nifti1Image(an_array, AFFINE * [[1000], [1000], [1000], [1]])
    image.header.set_xyzt_units("micron")
    np.testing.assert_allclose(ijk_to_ras(to_volume(image, "a").image), AFFINE)


def test_a_nibabel_image_without_an_orientation_is_noted(an_array) -> None:
    # What nibabel makes of a file whose codes are both 0: an affine from the size of the voxels.
    unplaced = nibabel.Nifti1Image.from_bytes(nibabel.Nifti1Image(an_array, None).to_bytes())
    volume = to_volume(unplaced, "a")
    assert any(note.startswith("holds no orientation") for note in volume.notes)
    assert not to_volume(nibabel.Nifti1Image(an_array, AFFINE), "a").notes


def test_an_image_of_simpleitk_is_copied_without_what_names_the_patient(an_array) -> None:
    image = sitk.GetImageFromArray(an_array)
    image.SetMetaData("0010|0010", "Doe^Jane")
    image.SetMetaData("0008|0060", "PT ")
    volume = to_volume(image, "a")
    assert (volume.image.GetMetaDataKeys(), volume.modality_hint) == ((), "PT")
    assert image.GetMetaData("0010|0010") == "Doe^Jane"
    image[0, 0, 0] = -7
    assert volume.image[0, 0, 0] != -7


def test_voxels_that_are_no_numbers_are_filled_and_noted(an_array) -> None:
    holed = an_array.astype(np.float32)
    holed[0, 0, :2] = np.nan
    volume = to_volume((holed, AFFINE), "a")
    assert np.isfinite(sitk.GetArrayFromImage(volume.image)).all()
    assert volume.notes[0].startswith("has 2 voxels that are not finite")


def test_a_fourth_dimension_of_length_one_is_dropped(an_array) -> None:
    once = sitk.JoinSeries([sitk.GetImageFromArray(an_array)])
    for source in (once, (an_array[..., None], AFFINE), nibabel.Nifti1Image(an_array[..., None], AFFINE)):
        assert to_volume(source, "a").image.GetDimension() == 3


@pytest.mark.parametrize("number_type", [bool, np.float16, np.dtype(">i2"), np.longdouble])
def test_number_types_that_itk_lacks_become_one_that_holds_them(an_array, number_type) -> None:
    array = (an_array % 2).astype(number_type)
    image = to_volume((array, AFFINE), "a").image
    assert np.array_equal(sitk.GetArrayFromImage(image).transpose(2, 1, 0), array)


def test_sheared_axes_are_kept_only_where_they_may_be(an_array) -> None:
    sheared = AFFINE.copy()
    sheared[1, 0] = 0.8
    with pytest.raises(InputError, match="^'a' has sheared axes"):
        to_volume((an_array, sheared), "a")
    np.testing.assert_allclose(ijk_to_ras(to_volume((an_array, sheared), "a", keep_shear=True).image), sheared)


@pytest.mark.parametrize(
    ("source", "said"),
    [
        ((np.ones((3, 3, 3)), np.eye(3)), "neither a"),
        ((np.ones((3, 3, 3)), "affine"), "neither a"),
        ((np.ones((3, 3, 3)), np.zeros((4, 4))), "is not a valid geometry"),
        ((np.ones((3, 3, 3)), np.full((4, 4), np.nan)), "is not a valid geometry"),
        ((np.ones((3, 3, 3)), {}), "no spacing"),
        ((np.ones((3, 3, 3)), {"spacing": (1, 1, 1), "affine": 1}), "'affine'"),
        ((np.ones((3, 3, 3)), {"spacing": (1, 1)}), "not 3 numbers"),
        ((np.ones((3, 3, 3)), {"spacing": (1, 0, 1)}), "make no geometry"),
        ((np.ones((3, 3, 3)), sitk.Image([2, 3, 3], sitk.sitkUInt8)), "3 x 3 x 3 voxels and its grid 2 x 3 x 3"),
        ((np.ones((3, 3)), np.eye(4)), "an array of 2 dimensions"),
        ((np.ones((3, 3, 3, 7)), np.eye(4)), "a series of 7 volumes"),
        ((np.ones((3, 0, 3)), np.eye(4)), "is empty"),
        ((np.ones((3, 3, 3), complex), np.eye(4)), "complex"),
        ((np.full((3, 3, 3), "x"), np.eye(4)), "array of numbers"),
        (([[[1], [2, 3]]], np.eye(4)), "not an array of numbers"),
        (nibabel.Nifti1Image(np.ones((3, 3, 3, 4), np.float32), np.eye(4)), "a series of 4 volumes"),
        (np.ones((3, 3, 3)), "a bare array"),
        (object(), "of the type object"),
    ],
)
def test_what_cannot_be_a_volume_is_refused_in_one_sentence(source, said) -> None:
    with pytest.raises(InputError, match=f"^'a' .*{said}") as caught:
        to_volume(source, "a")
    assert "\n" not in str(caught.value)


def test_a_nibabel_image_whose_header_is_no_mapping_is_taken(an_array) -> None:
    image = nibabel.spatialimages.SpatialImage(an_array, AFFINE)
    found = to_volume(image, "a")
    expected = to_volume(nibabel.Nifti1Image(an_array, AFFINE), "a")
    np.testing.assert_array_equal(sitk.GetArrayFromImage(found.image), sitk.GetArrayFromImage(expected.image))
    assert not found.notes
