"""Transforms read, written, inverted, and tried in a process of their own."""

from __future__ import annotations

import os
import sys
import time
from pathlib import Path

import numpy as np
import pytest
import SimpleITK as sitk

from CSAFusionLib import processes
from CSAFusionLib.errors import InputError
from CSAFusionLib.geometry.grid import points_of
from CSAFusionLib.geometry.transform_algebra import map_points
from CSAFusionLib.registration.transforms import (
    can_be_read,
    check_transform_path,
    inverse_of,
    read_transform,
    write_transform,
)

POINT = (11.0, -7.0, 33.0)


def _deformable() -> sitk.Transform:
    field = sitk.GetImageFromArray(np.full((4, 4, 4, 3), 2.5), isVector=True)
    field.SetSpacing((40.0, 40.0, 40.0))
    return sitk.CompositeTransform([sitk.AffineTransform(3), sitk.DisplacementFieldTransform(field)])


@pytest.mark.parametrize("extension", [".tfm", ".txt", ".mat", ".h5"])
def test_a_rigid_transform_survives_every_format(tmp_path: Path, a_rigid_motion, extension: str) -> None:
    path = tmp_path / f"found{extension}"
    write_transform(a_rigid_motion, path)
    np.testing.assert_allclose(read_transform(path).TransformPoint(POINT), a_rigid_motion.TransformPoint(POINT))
    assert [file.name for file in tmp_path.iterdir()] == [path.name]


def test_a_deformable_transform_survives_h5(tmp_path: Path) -> None:
    write_transform(_deformable(), tmp_path / "warp.h5")
    np.testing.assert_allclose(read_transform(tmp_path / "warp.h5").TransformPoint((40.0, 40.0, 40.0)), (42.5,) * 3)


def test_a_deformable_transform_is_refused_other_formats(tmp_path: Path) -> None:
    with pytest.raises(InputError, match=r"end it in \.h5"):
        write_transform(_deformable(), tmp_path / "warp.tfm")
    assert not list(tmp_path.iterdir())


@pytest.mark.parametrize("name", ["found.nii.gz", "found", "missing/found.tfm"])
def test_a_path_that_cannot_be_written_is_refused_early(tmp_path: Path, name: str) -> None:
    with pytest.raises(InputError, match="found"):
        check_transform_path(tmp_path / name)


@pytest.mark.parametrize("extension", [".tfm", ".txt", ".mat", ".h5"])
@pytest.mark.parametrize("short_by", [1, 20, 10000])
def test_a_disk_that_fills_up_is_told_and_the_old_transform_stays(
    tmp_path: Path, a_rigid_motion, limited_files, extension: str, short_by: int
) -> None:
    path = tmp_path / f"found{extension}"
    write_transform(a_rigid_motion, path)
    before = path.read_bytes()
    with limited_files(max(0, len(before) - short_by)), pytest.raises(InputError, match=rf"^'{path}' could not be"):
        write_transform(sitk.Euler3DTransform((1, 2, 3), 1 / 3, 1 / 7, 1 / 11, (1 / 13, 1 / 17, 1 / 19)), path)
    assert path.read_bytes() == before
    assert list(tmp_path.iterdir()) == [path]


def test_a_deformation_that_a_full_disk_cuts_off_is_told(tmp_path: Path, limited_files) -> None:
    with limited_files(2000), pytest.raises(InputError, match="could not be written"):
        write_transform(_deformable(), tmp_path / "warp.h5")
    assert not list(tmp_path.iterdir())


def test_a_folder_is_no_place_for_a_transform(tmp_path: Path) -> None:
    (tmp_path / "a.tfm").mkdir()
    with pytest.raises(InputError, match="is a folder"):
        check_transform_path(tmp_path / "a.tfm")


def test_an_old_file_stays_when_writing_fails(tmp_path: Path, monkeypatch: pytest.MonkeyPatch, a_rigid_motion) -> None:
    path = tmp_path / "found.tfm"
    path.write_text("old")

    def full(*_: object) -> None:
        raise RuntimeError("disk full")

    monkeypatch.setattr(sitk, "WriteTransform", full)
    with pytest.raises(InputError, match="could not be written"):
        write_transform(a_rigid_motion, path)
    assert path.read_text() == "old"
    assert list(tmp_path.iterdir()) == [path]


def test_reading_says_what_is_wrong(tmp_path: Path) -> None:
    (tmp_path / "junk.tfm").write_text("no transform")
    sitk.WriteTransform(sitk.Euler2DTransform(), str(tmp_path / "flat.tfm"))
    sitk.WriteTransform(sitk.TranslationTransform(3, (1.0, float("nan"), 2.0)), str(tmp_path / "nan.h5"))
    with pytest.raises(InputError, match="does not exist"):
        read_transform(tmp_path / "none.tfm")
    with pytest.raises(InputError, match="is a folder"):
        read_transform(tmp_path)
    with pytest.raises(InputError, match="not finite"):
        read_transform(tmp_path / "nan.h5")
    with pytest.raises(InputError, match="cannot be read"):
        read_transform(tmp_path / "junk.tfm")
    with pytest.raises(InputError, match="2-D"):
        read_transform(tmp_path / "flat.tfm")


@pytest.mark.skipif(sys.platform != "linux", reason="other systems have no names that are no text")
def test_a_transform_whose_name_is_no_text_is_refused(tmp_path: Path) -> None:
    path = tmp_path / os.fsdecode(b"\xff.tfm")
    write_transform(sitk.TranslationTransform(3), tmp_path / "a.tfm")
    (tmp_path / "a.tfm").rename(path)
    with pytest.raises(InputError, match="no text"):
        read_transform(path)


def test_a_file_on_which_itk_would_crash_or_hang_is_refused(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    sitk.WriteTransform(sitk.TranslationTransform(3), str(tmp_path / "a.tfm"))
    monkeypatch.setattr("CSAFusionLib.registration.transforms.can_be_read", lambda path: False)
    monkeypatch.setattr(sitk, "ReadTransform", lambda path: pytest.fail("was read here"))
    with pytest.raises(InputError, match="cannot be read as a transform"):
        read_transform(tmp_path / "a.tfm")


@pytest.fixture
def domain() -> sitk.Image:
    """An oblique grid of 80 mm."""
    image = sitk.Image([20, 20, 16], sitk.sitkUInt8)
    image.SetSpacing((4.0, 4.0, 5.0))
    image.SetOrigin((-40.0, -30.0, -50.0))
    image.SetDirection((0.8, -0.6, 0, 0.6, 0.8, 0, 0, 0, 1))
    return image


def _bent(domain: sitk.Image, strength_mm: float) -> sitk.Transform:
    spline = sitk.BSplineTransformInitializer(domain, [4, 4, 4])
    random = np.random.default_rng(1).normal(0, strength_mm, len(spline.GetParameters()))
    spline.SetParameters(random.tolist())
    return sitk.CompositeTransform([sitk.Euler3DTransform((0, 0, 0), 0.2, 0.1, -0.3, (30, 5, 60)), spline])


def test_a_linear_transform_is_undone_exactly(domain: sitk.Image) -> None:
    affine = sitk.AffineTransform([1.1, 0.1, 0, -0.1, 0.9, 0, 0, 0.2, 1], [4.0, 5.0, 6.0], [1.0, 2.0, 3.0])
    together = sitk.CompositeTransform([affine, sitk.Euler3DTransform((0, 0, 0), 0.1, 0.2, 0.3, (1, 2, 3))])
    back, error = inverse_of(together, domain)
    points = np.array([[1.0, 2.0, 3.0], [40.0, -50.0, 60.0]])
    np.testing.assert_allclose(map_points(back, map_points(together, points)), points, atol=1e-9)
    assert error == 0


def test_a_deformation_far_from_home_is_undone_and_its_error_told(domain: sitk.Image) -> None:
    bent = _bent(domain, 2.0)
    back, error = inverse_of(bent, domain)
    points = points_of(domain, np.random.default_rng(3).uniform(3, 12, (50, 3)))
    assert np.linalg.norm(map_points(back, map_points(bent, points)) - points, axis=1).max() < 0.05
    assert 0 < error < 0.5


def test_a_transform_that_folds_space_is_refused(domain: sitk.Image) -> None:
    with pytest.raises(InputError, match="cannot be inverted"):
        inverse_of(_bent(domain, 40.0), domain)


def test_a_transform_can_be_read_and_text_that_is_none_cannot(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    sitk.WriteTransform(sitk.Euler3DTransform(), "good.h5")
    Path("junk.tfm").write_text("no transform")
    assert can_be_read(Path("good.h5"))
    assert not can_be_read(Path("junk.tfm"))


@pytest.mark.parametrize("program", ["import os; os.abort()", "import time; time.sleep(60)"])
def test_a_reader_that_crashes_or_hangs_takes_nothing_with_it(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, program: str
) -> None:
    monkeypatch.setattr(processes, "module_command", lambda *_, **__: [sys.executable, "-c", program])
    monkeypatch.setenv("PYTHONFAULTHANDLER", "")
    started = time.monotonic()
    assert not can_be_read(tmp_path / "a.tfm", seconds=1.0)
    assert time.monotonic() - started < 10
