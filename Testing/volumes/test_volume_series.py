"""CSAFusionLib/volumes/volume_series.py, with its times and what writes a series."""

from __future__ import annotations

import json
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path

import nibabel
import numpy as np
import pytest
import SimpleITK as sitk

from CSAFusionLib.errors import InputError
from CSAFusionLib.files.atomic_write import atomic_write
from CSAFusionLib.volumes.reading import read_volume
from CSAFusionLib.volumes.volume import Volume
from CSAFusionLib.volumes.volume_series import SeriesTimes, Spool, open_series
from Testing.volumes.dicom.objects import write_classic

EVEN, UNEVEN = SeriesTimes((2.0, 4.5, 7.0)), SeriesTimes((0.0, 10.0, 70.0), (10.0, 60.0, 300.0))


def _volumes(*, colour: bool = False) -> list[sitk.Image]:
    """Three oblique volumes of one grid."""
    rng = np.random.default_rng(0)
    turn = sitk.Euler3DTransform((0, 0, 0), 0.1, 0.2, 0.3)
    images = []
    for _ in range(3):
        voxels = rng.integers(0, 255, (4, 5, 6, 3)).astype(np.uint8) if colour else rng.random((4, 5, 6), np.float32)
        image = sitk.GetImageFromArray(voxels, isVector=colour)
        image.SetSpacing((1.0, 2.0, 3.0))
        image.SetOrigin((5.0, -6.0, 70.0))
        image.SetDirection(turn.GetMatrix())
        images.append(image)
    return images


def _written(folder: Path, name: str, times: SeriesTimes | None = None, *, colour: bool = False) -> Path:
    spool = Spool(folder / f"spool of {name}")
    for image in _volumes(colour=colour):
        spool.add(image)
    atomic_write({folder / name: spool.writer(times, lambda: None)})
    return folder / name


@pytest.mark.parametrize("colour", [False, True])
@pytest.mark.parametrize("name", ["a.nii.gz", "a.nii", "a.nrrd", "a.mha"])
def test_a_series_is_written_as_one_file_and_each_volume_comes_back(tmp_path: Path, name: str, colour: bool) -> None:
    path = _written(tmp_path, name, EVEN, colour=colour)
    with open_series(path) as series:
        assert series.count == 3
        for number, image in enumerate(_volumes(colour=colour), start=1):
            read = series.read(number)
            np.testing.assert_array_equal(sitk.GetArrayFromImage(read.image), sitk.GetArrayFromImage(image))
            np.testing.assert_allclose(read.image.GetDirection(), image.GetDirection(), atol=1e-6)
            np.testing.assert_allclose(read.image.GetOrigin(), image.GetOrigin(), atol=1e-5)
            assert not any("is number" in note for note in read.notes)
        with pytest.raises(InputError, match="no volume 4"):
            series.read(4)
    by_itk = sitk.ReadImage(str(path))
    assert (by_itk.GetSize(), by_itk.GetSpacing()[3]) == ((6, 5, 4, 3), 2.5)
    assert by_itk.GetNumberOfComponentsPerPixel() == (3 if colour else 1)


def test_other_readers_see_the_time_from_volume_to_volume_and_none_where_it_is_not_known(tmp_path: Path) -> None:
    even = nibabel.load(_written(tmp_path, "even.nii.gz", EVEN))
    assert even.header.get_xyzt_units() == ("mm", "sec")
    assert (even.header["pixdim"][4], even.header["toffset"]) == (2.5, 2.0)
    colours = nibabel.load(_written(tmp_path, "colours.nii", UNEVEN, colour=True))
    assert colours.header.get_xyzt_units()[1] == "unknown"
    assert colours.get_data_dtype().names == ("R", "G", "B")
    assert colours.shape == (6, 5, 4, 3)


def test_the_times_are_those_of_the_sidecar_before_those_of_the_header(tmp_path: Path) -> None:
    path = _written(tmp_path, "a.nii.gz", EVEN)
    with open_series(path) as series:
        assert series.times == EVEN
    (tmp_path / "a.json").write_text(json.dumps(UNEVEN.describe()))
    with open_series(path) as series:
        assert series.times == UNEVEN
        assert UNEVEN.step is None
    (tmp_path / "a.json").write_text(json.dumps({"FrameTimesStart": [0.0, 10.0], "FrameDuration": "long"}))
    with open_series(path) as series:
        assert series.times == EVEN


def test_a_mean_weighs_each_volume_by_how_long_it_was_measured(tmp_path: Path) -> None:
    path = _written(tmp_path, "a.nrrd")
    (tmp_path / "a.json").write_text(json.dumps(UNEVEN.describe()))
    voxels = np.stack([sitk.GetArrayFromImage(image) for image in _volumes()])
    with open_series(path) as series:
        mean = sitk.GetArrayFromImage(series.reference("mean").image)
        np.testing.assert_allclose(mean, np.average(voxels, axis=0, weights=UNEVEN.durations), rtol=1e-6)
        np.testing.assert_array_equal(sitk.GetArrayFromImage(series.reference("2").image), voxels[1])
        with pytest.raises(InputError, match="not 'sum'"):
            series.reference("sum")


def _write_dynamic(folder: Path, starts: tuple[str, ...]) -> Path:
    """A dynamic PET: three volumes of four slices."""
    for number, (start, milliseconds) in enumerate(zip(starts, (10_000, 60_000, 300_000), strict=True)):
        write_classic(
            folder,
            np.arange(192, dtype=np.uint16).reshape(4, 6, 8) + 1000 * number,
            sop_class="128",
            modality="PT",
            name="abc"[number],
            AcquisitionTime=start,
            ActualFrameDuration=milliseconds,
        )
    return folder


def test_a_dynamic_pet_is_read_volume_by_volume_with_times_past_midnight(tmp_path: Path) -> None:
    folder = _write_dynamic(tmp_path / "pet", ("235950.00", "000000.00", "000100.00"))
    with open_series(folder) as series:
        assert series.count == 3
        assert series.times is not None
        by_duration = dict(zip(series.times.durations, series.times.starts, strict=True))
        assert by_duration == {10.0: 0.0, 60.0: 10.0, 300.0: 70.0}
        for number in (1, 2, 3):
            again = sitk.GetArrayFromImage(read_volume(folder, number).image)
            np.testing.assert_array_equal(sitk.GetArrayFromImage(series.read(number).image), again)


def test_volumes_on_several_grids_do_not_share_a_registration(tmp_path: Path) -> None:
    with open_series(_written(tmp_path, "a.nrrd")) as series:
        moved = series.read(2).image
        moved.SetOrigin((0.0, 0.0, 0.0))
        read: Callable = series.read_one
        object.__setattr__(series, "read_one", lambda number: read(number) if number != 2 else _at(read(2), moved))
        with pytest.raises(InputError, match="Volume 2 of 'a.nrrd' lies on another grid"):
            series.mean()


def _at(volume: Volume, image: sitk.Image) -> Volume:
    return replace(volume, image=image)


@pytest.mark.parametrize("name", ["a.nii.gz", "a.nrrd", "a.nii"])
def test_a_series_that_is_cut_off_is_refused_by_its_own_name(tmp_path: Path, name: str) -> None:
    path = _written(tmp_path, name)
    path.write_bytes(path.read_bytes()[:-30])
    with pytest.raises(InputError, match=rf"'{path}' is (cut off|damaged)"), open_series(path) as series:
        series.read(1)


def test_nothing_of_an_unpacked_series_is_left(tmp_path: Path, monkeypatch) -> None:
    path = _written(tmp_path, "a.nii.gz")
    (tmp_path / "scratch").mkdir()
    monkeypatch.setattr("tempfile.tempdir", str(tmp_path / "scratch"))
    with open_series(path) as series:
        series.read(3)
        assert list((tmp_path / "scratch").iterdir())
    assert not list((tmp_path / "scratch").iterdir())
