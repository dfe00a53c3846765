"""CSAFusionLib/fusion/output_grid.py, and ``--grid`` and ``--spacing`` of ``csafusion fuse``."""

from __future__ import annotations

import json
from pathlib import Path

import numpy as np
import pytest
import SimpleITK as sitk
from typer.testing import CliRunner

import CSAFusionLib as csafusion
from CSAFusionLib.cli.main import app
from CSAFusionLib.errors import InputError
from CSAFusionLib.fusion.output_grid import GridOf, OutputGrid, on_grid, with_spacing
from CSAFusionLib.geometry.grid import same_grid
from CSAFusionLib.geometry.transform_algebra import identity
from CSAFusionLib.volumes.volume import Volume

TURN = sitk.Euler3DTransform((0, 0, 0), 0.05, -0.02, 0.1, (3.0, -2.0, 4.0))


def _smooth(size: tuple[int, int, int], spacing: tuple[float, float, float]) -> sitk.Image:
    grid = sitk.Image(size, sitk.sitkFloat32)
    grid.SetSpacing(spacing)
    grid.SetOrigin((-40.0, -30.0, -35.0))
    points = sitk.GetArrayFromImage(
        sitk.PhysicalPointSource(sitk.sitkVectorFloat64, size, grid.GetOrigin(), spacing, grid.GetDirection())
    )
    image = sitk.GetImageFromArray((500 + 200 * np.sin(points / 15).sum(axis=-1)).astype(np.float32))
    image.CopyInformation(grid)
    return image


@pytest.fixture
def fixed() -> Volume:
    """Smooth, with thick slices."""
    return Volume(_smooth((40, 30, 10), (2.0, 2.0, 7.0)), "fixed")


def test_another_spacing_covers_the_same_field_of_view(fixed: Volume) -> None:
    grid = with_spacing(fixed.image, [1.0, 1.0, 1.0])
    assert grid.GetSize() == (80, 60, 70)
    for index, edge in (((-0.5,) * 3, (-0.5,) * 3), ((79.5, 59.5, 69.5), (39.5, 29.5, 9.5))):
        here, there = grid.TransformContinuousIndexToPhysicalPoint, fixed.image.TransformContinuousIndexToPhysicalPoint
        np.testing.assert_allclose(here(index), there(edge))


def test_a_volume_on_another_spacing_shows_the_same_at_the_same_place(fixed: Volume) -> None:
    fine = OutputGrid(spacing=1.0).apply(fixed, fixed, identity())
    for index in ((5, 6, 3), (20, 20, 7)):
        # Voxels of 7 and of 1 mm have their middle ones in common, those of 2 mm lie between two of 1 mm.
        place = fixed.image.TransformIndexToPhysicalPoint(index)
        assert fine.image.EvaluateAtPhysicalPoint(place) == pytest.approx(fixed.image[index], abs=2)


def test_the_grid_of_the_moving_volume_lies_where_the_transform_puts_it(fixed: Volume) -> None:
    moving = Volume(_smooth((25, 20, 25), (3.0, 3.0, 3.0)), "moving")
    grid = OutputGrid(of=GridOf.MOVING).apply(fixed, moving, TURN).image
    assert grid.GetSize() == moving.image.GetSize()
    for index in ((0, 0, 0), (24, 3, 11)):
        there = TURN.TransformPoint(grid.TransformIndexToPhysicalPoint(index))
        np.testing.assert_allclose(there, moving.image.TransformIndexToPhysicalPoint(index), atol=1e-6)
    sheared = sitk.AffineTransform([1, 0.3, 0, 0, 1, 0, 0, 0, 1], [0.0, 0.0, 0.0])
    with pytest.raises(InputError, match="bent or sheared"):
        OutputGrid(of=GridOf.MOVING).apply(fixed, moving, sheared)


@pytest.mark.parametrize("spacing", [0, -1, 1000, float("nan"), "1"])
def test_an_impossible_spacing_is_refused(spacing: object) -> None:
    with pytest.raises(InputError, match="spacing"):
        OutputGrid(spacing=spacing)  # type: ignore[arg-type]


@pytest.fixture
def fuse(tmp_path: Path, fixed: Volume, weights_file: Path):
    """Runs the command on the fixed volume and another on a grid of its own, with a given transform between them."""
    moving = sitk.Resample(fixed.image, [25, 20, 25], TURN.GetInverse(), sitk.sitkLinear, (-40, -30, -35), [3, 3, 3])
    sitk.WriteImage(fixed.image, str(tmp_path / "fixed.nrrd"))
    sitk.WriteImage(1000 - moving, str(tmp_path / "moving.nrrd"))
    sitk.WriteTransform(TURN, str(tmp_path / "turn.tfm"))

    def run(*words: str) -> sitk.Image:
        files = [str(tmp_path / name) for name in ("fixed.nrrd", "moving.nrrd")]
        outputs = ["-o", str(tmp_path / "out.nrrd"), "--provenance", str(tmp_path / "how.json"), "--overwrite"]
        common = ["--weights", str(weights_file), "--device", "cpu", "--use-transform", str(tmp_path / "turn.tfm")]
        result = CliRunner().invoke(app, ["fuse", *files, *outputs, *common, *words])
        assert result.exit_code == 0, result.output
        return sitk.ReadImage(str(tmp_path / "out.nrrd"))

    return run


def test_the_command_writes_on_the_grid_that_is_asked_for(tmp_path: Path, fixed: Volume, fuse) -> None:
    modalities = ["--fixed-modality", "mr", "--moving-modality", "mr"]
    assert same_grid(fuse("--spacing", "3.5", *modalities), with_spacing(fixed.image, [3.5] * 3))
    assert json.loads((tmp_path / "how.json").read_text())["output_grid"] == {"of": "fixed", "spacing_mm": 3.5}
    moving = sitk.ReadImage(str(tmp_path / "moving.nrrd"))
    on_moving = fuse("--grid", "moving", "--registered", str(tmp_path / "moved.nrrd"), *modalities)
    assert on_moving.GetSize() == moving.GetSize()
    # Nothing of the moving volume is interpolated there.
    moved = sitk.GetArrayFromImage(sitk.ReadImage(str(tmp_path / "moved.nrrd")))
    np.testing.assert_allclose(moved, sitk.GetArrayFromImage(moving), atol=0.01)


def test_python_gives_the_same_on_the_grid_that_is_asked_for(tmp_path: Path, weights_file: Path, fuse) -> None:
    modalities = {"fixed_modality": "mr", "moving_modality": "mr"}
    by_command = fuse("--spacing", "3.5", "--grid", "moving", "--fixed-modality", "mr", "--moving-modality", "mr")
    files = [tmp_path / name for name in ("fixed.nrrd", "moving.nrrd")]
    common = {"transform": tmp_path / "turn.tfm", "weights": weights_file, "device": "cpu", **modalities}
    by_python = csafusion.fuse(*files, grid="moving", spacing=3.5, **common)
    assert same_grid(by_python.fused, by_command)
    np.testing.assert_array_equal(sitk.GetArrayFromImage(by_python.fused), sitk.GetArrayFromImage(by_command))
    assert by_python.provenance["output_grid"] == {"of": "moving", "spacing_mm": 3.5}
    with pytest.raises(InputError, match="grid"):
        csafusion.fuse(*files, grid="neither", **common)


def test_colours_of_16_bits_keep_their_values_on_another_grid() -> None:
    colours = sitk.GetImageFromArray(np.full((4, 6, 8, 3), 40000, dtype=np.uint16), isVector=True)
    grid = with_spacing(colours, (2.0, 2.0, 2.0))
    image = on_grid(Volume(colours, "colour"), grid).image
    assert image.GetPixelID() == sitk.sitkVectorUInt16
    assert (sitk.GetArrayFromImage(image) == 40000).all()
