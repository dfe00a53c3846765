"""Reading volumes: the path, the files a header names, and the choice of one of several volumes."""

from __future__ import annotations

import os
from pathlib import Path

import numpy as np
import pytest
import SimpleITK as sitk

from CSAFusionLib.errors import InputError
from CSAFusionLib.geometry.grid import same_grid
from CSAFusionLib.logs import itk_warnings_off
from CSAFusionLib.volumes.input_path import SeveralVolumesError, check_input_path, chosen, listed_files, numbered_files
from CSAFusionLib.volumes.reading import fill_non_finite, read_pair, read_volume
from Testing.volumes.stored_files import metaimage, nifti, nrrd, some_voxels


def _an_image(*shape: int) -> sitk.Image:
    array = np.random.default_rng(0).integers(0, 1000, shape).astype(np.int16)
    return sitk.GetImageFromArray(array, isVector=False)


def _written(image: sitk.Image, path: Path) -> Path:
    sitk.WriteImage(image, str(path))
    return path


def _refusal_of(path: Path) -> str:
    with pytest.raises(InputError) as refusal:
        read_volume(path)
    message = str(refusal.value)
    assert f"'{path}'" in message
    assert message.endswith(".")
    return message


@pytest.mark.parametrize("name", ["a.nii", "a.nii.gz", "a.nrrd", "a.mha", "a.mhd"])
def test_every_format_is_read_with_its_geometry(tmp_path: Path, name: str) -> None:
    image = _an_image(4, 5, 6)
    image.SetSpacing((0.5, 1, 3))
    image.SetOrigin((1, 2, 3))
    image.SetDirection((0, 0, 1, 1, 0, 0, 0, 1, 0))
    volume = read_volume(_written(image, tmp_path / name))
    np.testing.assert_array_equal(sitk.GetArrayFromImage(volume.image), sitk.GetArrayFromImage(image))
    np.testing.assert_allclose(volume.image.GetDirection(), image.GetDirection(), atol=1e-6)
    assert volume.image.GetSpacing() == pytest.approx(image.GetSpacing())
    assert volume.image.GetOrigin() == pytest.approx(image.GetOrigin())
    assert (volume.name, volume.modality_hint) == (name, None)


@pytest.mark.parametrize("threads", [1, 2])
def test_a_pair_is_read_as_each_of_the_two_alone(tmp_path: Path, threads: int) -> None:
    paths = [_written(_an_image(4, 5, size), tmp_path / f"{size}.nii.gz") for size in (6, 7)]
    before = sitk.ProcessObject.GetGlobalDefaultNumberOfThreads(), sitk.ProcessObject.GetGlobalWarningDisplay()
    sitk.ProcessObject.SetGlobalDefaultNumberOfThreads(threads)
    try:
        pair = read_pair(paths[0], paths[1])
        with pytest.raises(InputError, match="'a' does not exist"):
            read_pair("a", "b")
        paths[1].write_bytes(paths[1].read_bytes()[:-9])
        with pytest.raises(InputError, match=r"7.nii.gz' is (damaged|cut off)"):
            read_pair(paths[0], paths[1])
        assert sitk.ProcessObject.GetGlobalWarningDisplay() == before[1]
    finally:
        sitk.ProcessObject.SetGlobalDefaultNumberOfThreads(before[0])
    for volume, size in zip(pair, (6, 7), strict=True):
        expected = sitk.GetArrayFromImage(_an_image(4, 5, size))
        np.testing.assert_array_equal(sitk.GetArrayFromImage(volume.image), expected)


@pytest.mark.parametrize("name", ["a.nii.gz", "a.nrrd", "a.mha"])
def test_a_single_slice_is_a_volume(tmp_path: Path, name: str) -> None:
    assert read_volume(_written(_an_image(1, 5, 6), tmp_path / name)).image.GetSize() == (6, 5, 1)


@pytest.mark.parametrize("name", ["a.nrrd", "a.mha", "a.nii.gz"])
def test_a_fourth_dimension_of_length_one_is_dropped(tmp_path: Path, name: str) -> None:
    image = _an_image(4, 5, 6)
    image.SetSpacing((0.5, 1, 3))
    volume = read_volume(_written(sitk.JoinSeries([image]), tmp_path / name))
    np.testing.assert_array_equal(sitk.GetArrayFromImage(volume.image), sitk.GetArrayFromImage(image))
    assert volume.image.GetSpacing() == pytest.approx((0.5, 1, 3))


@pytest.mark.parametrize("name", ["a.nrrd", "a.nii.gz", "a.nii", "a.mha"])
def test_a_volume_of_a_series_in_time_is_chosen_by_its_number(tmp_path: Path, name: str) -> None:
    several = [_an_image(4, 5, 6) + 100 * number for number in range(3)]
    for image in several:
        image.SetSpacing((0.5, 1, 3))
    path = _written(sitk.JoinSeries(several), tmp_path / name)
    assert "holds 3 volumes" in _refusal_of(path)
    for number, image in enumerate(several, start=1):
        volume = read_volume(path, number)
        np.testing.assert_array_equal(sitk.GetArrayFromImage(volume.image), sitk.GetArrayFromImage(image))
        assert volume.image.GetSpacing() == pytest.approx((0.5, 1, 3))
        assert f"is number {number} of the 3 that its source holds." in volume.notes
    with pytest.raises(InputError, match="there is no volume 4"):
        read_volume(path, 4)


@pytest.mark.parametrize("name", ["a.nrrd", "a.nii"])
def test_a_series_that_is_cut_off_is_refused_whichever_volume_is_chosen(tmp_path: Path, name: str) -> None:
    path = _written(sitk.JoinSeries([_an_image(4, 5, 6)] * 3), tmp_path / name)
    path.write_bytes(path.read_bytes()[:-10])
    with pytest.raises(InputError, match="cut off|damaged"):
        read_volume(path, 1)


@pytest.mark.parametrize("name", ["a.nrrd", "a.nii.gz"])
def test_a_picture_is_refused(tmp_path: Path, name: str) -> None:
    assert "2-D image" in _refusal_of(_written(_an_image(5, 6), tmp_path / f"flat_{name}"))


def test_a_colour_volume_keeps_its_components(tmp_path: Path) -> None:
    rgb = np.random.default_rng(0).integers(0, 255, (3, 4, 5, 3)).astype(np.uint8)
    volume = read_volume(_written(sitk.GetImageFromArray(rgb, isVector=True), tmp_path / "pet.nrrd"))
    assert volume.is_colour
    np.testing.assert_array_equal(sitk.GetArrayFromImage(volume.image), rgb)


def test_a_missing_an_empty_and_a_foreign_file_are_refused(tmp_path: Path) -> None:
    assert "does not exist" in _refusal_of(tmp_path / "nowhere.nii.gz")
    (tmp_path / "empty.nrrd").touch()
    assert "empty file" in _refusal_of(tmp_path / "empty.nrrd")
    (tmp_path / "text.nii.gz").write_text("not a volume")
    assert "is not a NIfTI file" in _refusal_of(tmp_path / "text.nii.gz")
    (tmp_path / "text.txt").write_text("not a volume")
    assert "cannot be read" in _refusal_of(tmp_path / "text.txt")


@pytest.mark.parametrize("name", ["a.nii", "a.nii.gz", "a.nrrd", "a.mha"])
def test_a_file_cut_off_half_way_is_refused_and_never_read_as_black(tmp_path: Path, name: str) -> None:
    path = _written(_an_image(20, 30, 40), tmp_path / name)
    path.write_bytes(path.read_bytes()[: path.stat().st_size // 2])
    _refusal_of(path)


SHEARED = np.array([[0.9, 0.3, 0, 0], [0, 0.9, 0, 0], [0, 0, 3.0, 0]])
HALF_A_DEGREE = np.array([[1, 0, 0], [0, 1, 0.008], [0, 0, 1.0]])


def _in_every_format(folder: Path, axes: np.ndarray) -> list[Path]:
    """One volume whose header says ``axes`` (a column each, LPS mm) as NIfTI, NRRD and MetaImage."""
    lengths = np.linalg.norm(axes, axis=0)
    rows = np.c_[np.diag([-1, -1, 1]) @ axes, [0, 0, 0]]
    vectors = " ".join(f"({column[0]:.9g},{column[1]:.9g},{column[2]:.9g})" for column in axes.T)
    directions = " ".join(f"{number:.9g}" for number in (axes / lengths).T.ravel())
    return [
        nifti(folder / "a.nii", some_voxels(), rows=rows, pixdim=(1, *lengths)),
        nrrd(folder / "a.nrrd", some_voxels(), space_directions=vectors),
        metaimage(
            folder / "a.mha", some_voxels(), TransformMatrix=directions, ElementSpacing=" ".join(map(str, lengths))
        ),
    ]


def test_sheared_axes_are_refused_alike_in_every_format_and_without_a_word_from_itk(tmp_path: Path, capfd) -> None:
    for path in _in_every_format(tmp_path, SHEARED[:, :3]):
        assert "sheared axes in its header, 0.9 mm off" in _refusal_of(path)
    assert capfd.readouterr().err == ""


def test_sheared_axes_are_kept_when_asked_with_a_note(tmp_path: Path) -> None:
    for path in _in_every_format(tmp_path, SHEARED[:, :3]):
        volume = read_volume(path, keep_shear=True)
        axes = np.reshape(volume.image.GetDirection(), (3, 3)) * volume.image.GetSpacing()
        np.testing.assert_allclose(axes, SHEARED[:, :3], atol=1e-6)
        assert volume.notes == ("has sheared axes, 0.9 mm off a straight grid at its corners; they were followed.",)


def test_axes_that_are_nearly_at_right_angles_are_set_right_alike_in_every_format(tmp_path: Path) -> None:
    for path in _in_every_format(tmp_path, HALF_A_DEGREE * [0.9, 0.9, 3]):
        volume = read_volume(path)
        directions = np.reshape(volume.image.GetDirection(), (3, 3))
        np.testing.assert_allclose(directions @ directions.T, np.eye(3), atol=1e-12)
        assert "they were corrected, which moves its corners by up to 0.03 mm" in volume.notes[0]


def test_voxels_that_are_no_numbers_are_filled_alike_in_every_format(tmp_path: Path) -> None:
    voxels = some_voxels("f4")
    voxels[0, 0, :5] = np.nan
    paths = (
        nifti(tmp_path / "a.nii.gz", voxels),
        nrrd(tmp_path / "a.nrrd", voxels),
        metaimage(tmp_path / "a.mha", voxels),
    )
    for path in paths:
        volume = read_volume(path)
        array = sitk.GetArrayFromImage(volume.image)
        assert (array[0, 0, :5] == np.nanmin(voxels)).all() and (array[1:] == voxels[1:]).all()
        assert [note for note in volume.notes if "has 5 voxels that are not finite" in note]


def test_an_uncompressed_file_that_is_called_nii_gz_is_read(tmp_path: Path) -> None:
    path = nifti(tmp_path / "a.nii", some_voxels()).rename(tmp_path / "a.nii.gz")
    np.testing.assert_array_equal(sitk.GetArrayFromImage(read_volume(path).image), some_voxels())


def test_colours_with_opacity_become_rgb(tmp_path: Path) -> None:
    colours = some_voxels("u1", (6, 8, 10, 4))
    volume = read_volume(metaimage(tmp_path / "a.mha", colours))
    assert volume.is_colour and "RGB and opacity" in volume.notes[0]


def test_a_loop_of_links_and_a_pipe_are_refused(tmp_path: Path) -> None:
    (tmp_path / "loop.nrrd").symlink_to("loop.nrrd")
    assert "cannot be opened" in _refusal_of(tmp_path / "loop.nrrd")
    if hasattr(os, "mkfifo"):
        os.mkfifo(tmp_path / "pipe.nii")
        assert "pipe" in _refusal_of(tmp_path / "pipe.nii")


def test_a_dicom_folder_and_any_of_its_files_give_the_series(tmp_path: Path, write_series) -> None:
    values = write_series(tmp_path / "ct")
    other = "1.2.826.0.1.3680043.2.1125.2"
    for path in (tmp_path / "ct", next((tmp_path / "ct").iterdir())):
        volume = read_volume(path)
        np.testing.assert_allclose(sitk.GetArrayFromImage(volume.image), values)
        assert volume.modality_hint == "CT"
    write_series(tmp_path / "ct", series_uid=other, places=(0, 3, 6), prefix="b")
    assert read_volume(next((tmp_path / "ct").glob("b*.dcm"))).image.GetSize() == (6, 8, 3)


def test_a_tilted_gantry_is_followed_in_the_moving_volume_alone(tmp_path: Path, write_series) -> None:
    write_series(tmp_path / "ct", tilt=0.75)
    with pytest.raises(InputError, match="tilted gantry"):
        read_volume(tmp_path / "ct")
    for path in (tmp_path / "ct", next((tmp_path / "ct").iterdir())):
        volume = read_volume(path, keep_shear=True)
        assert volume.image.TransformIndexToPhysicalPoint((0, 0, 2)) == pytest.approx((10, 24.5, 6))
        assert "sheared axes" in volume.notes[0]


def test_every_real_volume_is_read(shared_data) -> None:
    files = [*shared_data.glob("volumes/**/*.nii.gz"), *shared_data.glob("volumes/**/*.mha")]
    assert len(files) > 30
    for file in files[::4]:
        assert read_volume(file).image.GetDimension() == 3


@pytest.mark.parametrize("dtype", [np.float32, np.float64])
def test_voxels_that_are_no_numbers_become_the_background_and_are_counted(dtype: type) -> None:
    voxels = np.random.default_rng(0).normal(40, 5, (3, 4, 5)).astype(dtype)
    voxels[0, 0, :4] = np.nan, np.inf, -np.inf, -1000
    image = sitk.GetImageFromArray(voxels)
    image.SetOrigin((1, 2, 3))
    filled, (note,) = fill_non_finite(image)
    expected = voxels.copy()
    expected[0, 0, :3] = -1000
    np.testing.assert_array_equal(sitk.GetArrayFromImage(filled), expected)
    assert filled.GetPixelID() == image.GetPixelID() and same_grid(filled, image)
    assert "has 3 voxels that are not finite" in note and "lowest value, -1000" in note


@pytest.mark.parametrize(
    "voxels", [np.zeros((2, 2, 2), np.int16), np.ones((2, 2, 2), np.float32), np.full((2, 2, 2), np.nan)]
)
def test_nothing_is_touched_where_nothing_is_to_fill_or_to_fill_it_with(voxels: np.ndarray) -> None:
    image = sitk.GetImageFromArray(voxels)
    assert fill_non_finite(image) == (image, ())


@pytest.mark.parametrize("before", [True, False])
def test_warnings_are_off_inside_and_as_before_afterwards_even_after_an_error(before: bool) -> None:
    found = sitk.ProcessObject.GetGlobalWarningDisplay()
    sitk.ProcessObject.SetGlobalWarningDisplay(before)
    try:
        with pytest.raises(KeyError), itk_warnings_off():
            assert not sitk.ProcessObject.GetGlobalWarningDisplay()
            raise KeyError
        assert sitk.ProcessObject.GetGlobalWarningDisplay() == before
    finally:
        sitk.ProcessObject.SetGlobalWarningDisplay(found)


def _refused_path(path: Path) -> str:
    with pytest.raises(InputError) as refusal:
        check_input_path(path)
    assert str(refusal.value).endswith(".")
    return str(refusal.value)


def test_a_folder_is_told_from_a_file_through_links_too(tmp_path: Path) -> None:
    (tmp_path / "file").touch()
    (tmp_path / "link").symlink_to("file")
    assert check_input_path(tmp_path)
    assert not check_input_path(tmp_path / "file")
    assert not check_input_path(tmp_path / "link")


def test_what_is_not_there_is_said_not_to_exist(tmp_path: Path) -> None:
    (tmp_path / "file").touch()
    (tmp_path / "broken").symlink_to("gone")
    for path in (tmp_path / "gone", tmp_path / "file" / "below", tmp_path / "broken"):
        assert f"'{path}' does not exist" in _refused_path(path)


def test_a_loop_of_links_a_long_name_and_a_null_character_are_refused(tmp_path: Path) -> None:
    (tmp_path / "one").symlink_to("two")
    (tmp_path / "two").symlink_to("one")
    for path in (tmp_path / "one", tmp_path / ("a" * 300), tmp_path / "a\0b"):
        assert "cannot be opened" in _refused_path(path)


def test_a_pipe_and_a_device_are_refused_and_never_opened(tmp_path: Path) -> None:
    if not hasattr(os, "mkfifo"):
        pytest.skip("this system has no pipes among its files")
    os.mkfifo(tmp_path / "pipe")
    for path in (tmp_path / "pipe", Path("/dev/zero")):
        assert "is a pipe or a device" in _refused_path(path)


HERE = Path("folder")


@pytest.mark.parametrize(
    ("pattern", "limits", "names"),
    [
        ("s%03d.raw", ("8", "10", "1"), ["s008.raw", "s009.raw", "s010.raw"]),
        ("s%d.raw", ("1", "5", "2"), ["s1.raw", "s3.raw", "s5.raw"]),
        ("%2d", ("3", "1", "-1"), [" 3", " 2", " 1"]),
        ("s%n%s.raw", ("1", "2", "1"), []),
        ("s%d.raw", ("1", "x", "1"), []),
        ("s%d.raw", ("1", "2", "0"), []),
        ("s%d.raw", ("1", "999999999", "1"), []),
        ("none.raw", ("1", "2", "1"), []),
    ],
)
def test_numbers_fill_the_place_in_a_pattern(pattern: str, limits: tuple[str, ...], names: list[str]) -> None:
    assert [file.name for file in numbered_files(HERE, pattern, limits)] == names


def test_a_list_names_a_file_in_each_line_that_follows(tmp_path: Path) -> None:
    header = tmp_path / "a.nhdr"
    header.write_bytes(b"NRRD0004\ndata file: LIST 2\r\na.raw\r\n\nb c.raw\n")
    assert listed_files(header, after=b"LIST", folder=HERE) == (HERE / "a.raw", HERE / "b c.raw")
    header.write_bytes(b"NRRD0004\n")
    assert listed_files(header, after=b"LIST", folder=HERE) == ()


TWO = [("magnitude", 6), ("", 1)]


def test_the_only_volume_needs_no_number_and_others_do() -> None:
    assert chosen("a", [("", 6)], None) == 0
    assert chosen("a", [("", 6)], 1) == 0
    assert chosen("a", TWO, 2) == 1


def test_several_volumes_are_listed_with_what_tells_them_apart() -> None:
    with pytest.raises(SeveralVolumesError) as refusal:
        chosen("a.dcm", TWO, None)
    assert str(refusal.value) == (
        "'a.dcm' holds 2 volumes: 1 (magnitude, 6 slices), 2 (1 slice); choose one by its number with --volume."
    )
    with pytest.raises(SeveralVolumesError, match=r"holds 60 volumes: .*8 \(3 slices\), \.\.\. 60; choose"):
        chosen("a.dcm", [("", 3)] * 60, None)


@pytest.mark.parametrize(("volumes", "number"), [(TWO, 0), (TWO, 3), (TWO, -1), (TWO[:1], 2)])
def test_a_number_that_is_none_of_them_is_refused(volumes, number: int) -> None:
    with pytest.raises(InputError, match=f"there is no volume {number}; choose from 1 to {len(volumes)}"):
        chosen("a", volumes, number)
