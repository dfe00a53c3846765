"""CSAFusionLib/fusion/series.py, by the command line and by Python."""

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
from CSAFusionLib.fusion.series import warnings_of
from CSAFusionLib.geometry.grid import same_grid
from CSAFusionLib.intensity.mapping import TISSUE_LEVEL

UPTAKE = (0.0, 0.4, 1.0, 0.7)
TIMES = {"FrameTimesStart": [0, 10, 70, 370], "FrameDuration": [10, 60, 300, 600], "Modality": "PT"}


@pytest.fixture(scope="module")
def scans(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A folder with a T1, and a dynamic PET of the same made-up head whose first volume is empty."""
    folder = tmp_path_factory.mktemp("scans")
    noise = sitk.GetImageFromArray(np.random.default_rng(0).normal(size=(8, 20, 24)).astype(np.float32))
    head = sitk.RescaleIntensity(sitk.SmoothingRecursiveGaussian(noise, 2.0), 0, 1000)
    head.SetSpacing((4.0, 4.0, 8.0))
    sitk.WriteImage(head, str(folder / "t1.nii.gz"))
    sitk.WriteImage(sitk.JoinSeries([sitk.Sqrt(head) * 30 * share for share in UPTAKE]), str(folder / "pet.nii.gz"))
    (folder / "pet.json").write_text(json.dumps(TIMES))
    return folder


@pytest.fixture
def quick(weights_file) -> dict:
    return {"registration": "none", "weights": weights_file, "device": "cpu", "fixed_modality": "mr"}


def _fuse(scans: Path, weights_file: Path, *words: object, inputs: tuple[str, str] = ("t1", "pet")) -> tuple[int, str]:
    files = [str(scans / f"{name}.nii.gz") for name in inputs]
    common = ["--registration", "none", "--weights", str(weights_file), "--device", "cpu"]
    result = CliRunner().invoke(app, ["fuse", *files, *map(str, words), *common])
    return result.exit_code, result.output


def test_a_series_becomes_one_file_that_keeps_its_times(scans: Path, weights_file: Path, tmp_path: Path) -> None:
    words = ["--volume", "all", "-o", tmp_path / "f.nii.gz", "--provenance", tmp_path / "how.json"]
    words += ["--registered", tmp_path / "r.nii.gz", "--contribution", tmp_path / "c.nrrd", "--png", tmp_path / "p.png"]
    words += ["--metrics", tmp_path / "m.tsv", "--transform", tmp_path / "t.tfm", "--colour-table", "hot-iron"]
    code, said = _fuse(scans, weights_file, *words)
    assert code == 0, said
    assert "Series       moving, 4 volumes, registered by their mean, begun 0 to 370 s" in said
    assert "for one volume of the series at a time" in said
    names = {"f.nii.gz", "f.json", "how.json", "r.nii.gz", "c.nrrd", "p.png", "m.tsv", "t.tfm"}
    assert {file.name for file in tmp_path.iterdir()} == names
    fused, registered = (sitk.ReadImage(str(tmp_path / name)) for name in ("f.nii.gz", "r.nii.gz"))
    assert fused.GetSize() == registered.GetSize() == (24, 20, 8, 4)
    assert fused.GetNumberOfComponentsPerPixel() == 3
    np.testing.assert_array_equal(
        sitk.GetArrayFromImage(registered), sitk.GetArrayFromImage(sitk.ReadImage(str(scans / "pet.nii.gz")))
    )
    assert json.loads((tmp_path / "f.json").read_text()) == {key: TIMES[key] for key in list(TIMES)[:2]}
    series = json.loads((tmp_path / "how.json").read_text())["series"]
    assert (series["of"], series["volumes"], series["registered_by"]) == ("moving", 4, "mean")
    rows = (tmp_path / "m.tsv").read_text().splitlines()
    assert rows[0].startswith("volume\tslice\t")
    assert [sum(row.startswith(f"{number}\t") for row in rows) for number in range(1, 5)] == [8] * 4


def test_each_volume_is_what_it_is_by_itself_under_one_window(scans: Path, quick: dict) -> None:
    results = list(csafusion.fuse_series(scans / "t1.nii.gz", scans / "pet.nii.gz", colour_table="hot-iron", **quick))
    assert len(results) == 4
    shown = [(one.provenance["moving"]["black"], one.provenance["moving"]["white"]) for one in results]
    assert len(set(shown)) == 1
    black, white = shown[0]
    for number in (2, 3, 4):
        alone = csafusion.fuse(
            scans / "t1.nii.gz",
            csafusion.read_volume(scans / "pet.nii.gz", number),
            moving_modality="pet",
            moving_window=f"{(black + white) / 2},{white - black}",
            colour_table="hot-iron",
            **quick,
        )
        voxels = [sitk.GetArrayFromImage(one.fused).astype(int) for one in (results[number - 1], alone)]
        assert np.abs(voxels[0] - voxels[1]).max() <= 1
    brightness = [sitk.GetArrayViewFromImage(one.moving_mapped).mean() for one in results]
    assert np.argsort(brightness).tolist() == np.argsort(UPTAKE).tolist()


def test_it_is_registered_once_by_what_was_named(scans: Path, quick: dict, monkeypatch) -> None:
    from CSAFusionLib.fusion import on_grid

    asked = []
    real = on_grid.register

    def counted(fixed, moving, **more):
        asked.append(moving.name)
        return real(fixed, moving, **more)

    monkeypatch.setattr(on_grid, "register", counted)
    for by, name in (("mean", "pet.nii.gz"), (3, "volume 3 of pet.nii.gz")):
        asked.clear()
        results = list(csafusion.fuse_series(scans / "t1.nii.gz", scans / "pet.nii.gz", register_by=by, **quick))
        assert asked == [name]
        assert {id(one.registration) for one in results} == {id(results[0].registration)}
        assert results[0].provenance["series"]["registered_by"] == by
    with pytest.raises(InputError, match="'volume 1 of pet.nii.gz' is constant"):
        list(csafusion.fuse_series(scans / "t1.nii.gz", scans / "pet.nii.gz", register_by=1, **quick))


def test_a_folder_gets_one_file_a_volume(scans: Path, weights_file: Path, tmp_path: Path) -> None:
    out = tmp_path / "out"
    code, said = _fuse(scans, weights_file, "--volume", "1,all", "-o", out, "--register-by", "3")
    assert code == 0, said
    numbered = [f"fused-{number:03}.nii.gz" for number in range(1, 5)]
    assert sorted(file.name for file in out.iterdir()) == [*numbered, "provenance.json"]
    assert all(
        same_grid(sitk.ReadImage(str(out / name)), sitk.ReadImage(str(scans / "t1.nii.gz"))) for name in numbered
    )
    (out / "provenance.json").unlink()
    code, said = _fuse(scans, weights_file, "--volume", "1,all", "-o", out)
    assert (code, "fused-001.nii.gz' is there already" in said) == (2, True)


def test_the_series_may_be_the_fixed_one_and_the_grid_another(scans: Path, weights_file: Path, tmp_path: Path) -> None:
    words = ["--volume", "all", "-o", tmp_path / "f.mha", "--spacing", "8"]
    code, said = _fuse(scans, weights_file, *words, inputs=("pet", "t1"))
    assert code == 0, said
    assert "Series       fixed, 4 volumes" in said
    fused = sitk.ReadImage(str(tmp_path / "f.mha"))
    assert (fused.GetSize(), fused.GetSpacing()[:3]) == ((12, 10, 8, 4), (8.0, 8.0, 8.0))


@pytest.mark.parametrize(
    ("words", "inputs", "sentence"),
    [
        (["--volume", "all"], ("t1", "t1"), "Neither input holds several volumes"),
        (["--volume", "all"], ("pet", "pet"), "it is open which of them is the series"),
        (["--volume", "all,all"], ("pet", "pet"), "does not say which volumes are meant"),
        (["--volume", "9,all"], ("pet", "pet"), "there is no volume 9"),
        (["--volume", "all", "--register-by", "9"], ("t1", "pet"), "there is no volume 9"),
        (["--volume", "all", "--dicom"], ("t1", "pet"), "--dicom writes one volume"),
        (["--volume", "all", "--style", "side-by-side"], ("t1", "pet"), "has no style side by side"),
        (["--volume", "2", "--register-by", "2"], ("t1", "pet"), "--register-by is of a series"),
    ],
)
def test_what_cannot_be_meant_is_told_and_writes_nothing(
    scans: Path, weights_file: Path, tmp_path: Path, words: list[str], inputs: tuple[str, str], sentence: str
) -> None:
    code, said = _fuse(scans, weights_file, *words, "-o", tmp_path / "f.nii.gz", inputs=inputs)
    assert (code, sentence in said) == (2, True), said
    assert not list(tmp_path.iterdir())


def test_a_list_of_volumes_is_a_series_too(scans: Path, quick: dict) -> None:
    pets = [csafusion.read_volume(scans / "pet.nii.gz", number) for number in (2, 3)]
    results = list(csafusion.fuse_series(scans / "t1.nii.gz", pets, moving_modality="pet", **quick))
    assert [one.provenance["series"]["volumes"] for one in results] == [2, 2]


def test_a_warning_of_some_volumes_names_them() -> None:
    assert warnings_of([["a", "b"], ["a"], ["a", "b"]]) == ["a", "Of volumes 1, 3: b"]


def test_the_t1_of_a_series_is_windowed_for_the_tissue_of_all_its_volumes(scans: Path, quick: dict) -> None:
    pair = scans / "pet.nii.gz", scans / "t1.nii.gz"
    results = list(csafusion.fuse_series(*pair, moving_modality="mr", **quick))
    assert len({json.dumps(one.provenance["fixed"]) for one in results}) == 1
    greys = np.stack([sitk.GetArrayViewFromImage(one.fixed_mapped) for one in results])
    assert np.median(greys[greys > 0.05]) == pytest.approx(TISSUE_LEVEL, abs=0.05)
