"""Several moving volumes, and series, by the command line and by Python."""

from __future__ import annotations

import json
import shutil
from pathlib import Path

import numpy as np
import pytest
import SimpleITK as sitk
from typer.testing import CliRunner

import CSAFusionLib as csafusion
from CSAFusionLib.cli.main import app
from CSAFusionLib.cli.several_job import NamedMoving, parse_moving
from CSAFusionLib.errors import InputError
from CSAFusionLib.fusion import several
from CSAFusionLib.fusion.several import MovingVolume, fuse_several, order_of, warnings_of
from CSAFusionLib.geometry.grid import same_grid
from CSAFusionLib.intensity.mapping import CT_WINDOWS, WHITE_MATTER_OF_T1, IntensityMapping, white_matter_grey
from CSAFusionLib.intensity.modality import Modality
from CSAFusionLib.registration.registration import NO_MASKS, Method
from CSAFusionLib.volumes.volume import Volume
from Testing.volumes.dicom.objects import write_classic


@pytest.fixture
def scans(tmp_path: Path) -> Path:
    """A folder with a T1, a CT and a PET of one made-up head."""
    noise = sitk.GetImageFromArray(np.random.default_rng(0).normal(size=(8, 20, 24)).astype(np.float32))
    head = sitk.RescaleIntensity(sitk.SmoothingRecursiveGaussian(noise, 2.0), 0, 1000)
    head.SetSpacing((4.0, 4.0, 8.0))
    for name, image in (("t1", head), ("ct", 1000 - head), ("pet", sitk.Sqrt(head) * 30)):
        sitk.WriteImage(image, str(tmp_path / f"{name}.nii.gz"))
    return tmp_path


def _fuse(folder: Path, weights_file: Path, *words: str) -> tuple[int, str]:
    common = ["--registration", "none", "--weights", str(weights_file), "--device", "cpu", "--fixed-modality", "mr"]
    result = CliRunner().invoke(app, ["fuse", str(folder / "t1.nii.gz"), *words, *common])
    return result.exit_code, result.output


def test_grey_volumes_are_fused_first_and_colour_lies_on_top(scans: Path, weights_file: Path) -> None:
    pet, ct = str(scans / "pet.nii.gz:pet,hot-iron"), str(scans / "ct.nii.gz:ct,wide")
    code, said = _fuse(scans, weights_file, "--moving", pet, "--moving", ct, "-o", str(scans / "out"))
    assert code == 0, said
    names = {file.name for file in (scans / "out").iterdir()}
    assert names == {
        "fused.nii.gz",
        "registered-1.nii.gz",
        "registered-2.nii.gz",
        "transform-1.h5",
        "transform-2.h5",
        "provenance.json",
    }
    fused = sitk.ReadImage(str(scans / "out" / "fused.nii.gz"))
    assert fused.GetNumberOfComponentsPerPixel() == 3
    assert same_grid(fused, sitk.ReadImage(str(scans / "t1.nii.gz")))
    told = json.loads((scans / "out" / "provenance.json").read_text())
    assert told["order"] == [2, 1]
    assert [step["moving"]["modality"] for step in told["steps"]] == ["CT", "PET"]
    assert told["steps"][1]["fixed"]["is_result_of_step"] == 1
    assert all(step["registration"]["verdict"] for step in told["steps"])
    assert "pet.nii" not in json.dumps(told)


def test_it_is_one_fusion_after_the_other(scans: Path, weights_file: Path) -> None:
    common = {"registration": "none", "weights": weights_file, "device": "cpu"}
    together = csafusion.fuse_several(
        scans / "t1.nii.gz",
        [
            {"volume": scans / "ct.nii.gz", "modality": "ct", "window": "wide"},
            {"volume": scans / "pet.nii.gz", "modality": "pet", "colour_table": "hot-iron"},
        ],
        fixed_modality="mr",
        **common,
    )
    first = csafusion.fuse(
        scans / "t1.nii.gz",
        scans / "ct.nii.gz",
        fixed_modality="mr",
        moving_modality="ct",
        moving_window="wide",
        **common,
    )
    second = csafusion.fuse(
        first.fused,
        scans / "pet.nii.gz",
        fixed_modality="mr",
        fixed_window="0.5,1",
        moving_modality="pet",
        colour_table="hot-iron",
        **common,
    )
    np.testing.assert_array_equal(sitk.GetArrayFromImage(together.fused), sitk.GetArrayFromImage(second.fused))
    assert together.order == (0, 1)


def test_each_is_registered_once_to_the_fixed_volume(scans: Path, weights_file: Path, monkeypatch) -> None:
    from CSAFusionLib.fusion import pipeline

    asked = []
    real = pipeline.register

    def counted(fixed: Volume, moving: Volume, **more):
        asked.append((fixed.name, moving.name))
        return real(fixed, moving, **more)

    monkeypatch.setattr(pipeline, "register", counted)
    movings = [str(scans / f"{name}.nii.gz") for name in ("ct", "pet")]
    common = {"registration": "none", "weights": weights_file, "device": "cpu", "fixed_modality": "mr"}
    csafusion.fuse_several(str(scans / "t1.nii.gz"), [{"volume": path, "modality": "mr"} for path in movings], **common)
    assert asked == [("t1.nii.gz", "ct.nii.gz"), ("t1.nii.gz", "pet.nii.gz")]


def test_the_order_is_grey_as_given_then_colour_as_given() -> None:
    grey = Volume(sitk.Image([2, 2, 2], sitk.sitkUInt8), "grey")
    colour = Volume(sitk.Image([2, 2, 2], sitk.sitkVectorUInt8, 3), "colour")
    movings = [
        MovingVolume(volume=colour),
        MovingVolume(volume=grey),
        MovingVolume(volume=grey, colour_table="hot-iron"),
        MovingVolume(volume=grey),
    ]
    assert order_of(movings) == (1, 3, 0, 2)


def test_names_behind_the_last_colon_are_choices(scans: Path) -> None:
    pet = scans / "pet.nii.gz"
    assert parse_moving(str(pet)) == NamedMoving(pet)
    chosen = {"modality": Modality.PET, "colour_table": "hot-iron"}
    assert parse_moving(f"{pet}:pet,hot-iron") == NamedMoving(pet, chosen)
    assert parse_moving(f"{pet}:hot-iron,mask=A/Brain.nii,PET") == NamedMoving(pet, chosen, Path("A/Brain.nii"))
    assert parse_moving(f"{pet}:CT,brain") == NamedMoving(pet, {"modality": Modality.CT, "window": CT_WINDOWS["brain"]})
    assert parse_moving("C:\\none.nii") == NamedMoving(Path("C:\\none.nii"))
    with pytest.raises(InputError, match="'jet' behind"):
        parse_moving(f"{pet}:jet")


@pytest.mark.parametrize(
    ("options", "reason"),
    [
        (["--transform", "t.tfm"], "--transform is for one moving volume"),
        (["--colour-table", "hot-iron"], "--colour-table is for one moving volume"),
        (["--use-transform", "t1.nii.gz"], "given transform is for one"),
        (["--volume", "2"], "--volume does not say which"),
        (["--moving-mask", "t1.nii.gz"], "--moving-mask is for one moving volume"),
        (["--dicom"], "is not a DICOM volume"),
        (["--mask", "ct.nii.gz", "--registration", "none"], "ignores masks"),
    ],
)
def test_an_option_of_two_volumes_is_refused_for_several(
    scans: Path, weights_file: Path, options: list[str], reason: str
) -> None:
    given = [str(scans / word) if "." in word else word for word in options]
    words = ["--moving", str(scans / "ct.nii.gz"), "-o", str(scans / "out"), *given]
    # A given transform takes the place of a registration, which the others name.
    result = CliRunner().invoke(app, ["fuse", str(scans / "t1.nii.gz"), *words])
    assert result.exit_code == 2
    assert reason in result.output
    assert not (scans / "out").exists()


def test_no_moving_volume_at_all_is_told(scans: Path, weights_file: Path) -> None:
    code, said = _fuse(scans, weights_file, "-o", str(scans / "out.nii.gz"))
    assert code == 2
    assert "No moving volume is given" in said


def test_files_that_are_there_are_kept_unless_asked(scans: Path, weights_file: Path) -> None:
    (scans / "out").mkdir()
    (scans / "out" / "transform-1.h5").write_bytes(b"mine")
    words = ["--moving", str(scans / "ct.nii.gz:ct"), "-o", str(scans / "out")]
    code, said = _fuse(scans, weights_file, *words)
    assert code == 2
    assert "already exists" in said
    assert [file.name for file in (scans / "out").iterdir()] == ["transform-1.h5"]
    assert _fuse(scans, weights_file, *words, "--overwrite")[0] == 0
    assert (scans / "out" / "transform-1.h5").read_bytes() != b"mine"


def test_the_bias_of_an_mr_is_corrected_once_whatever_lies_below(
    scans: Path, weights_file: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    corrected: list[str] = []
    monkeypatch.setattr(several, "bias_corrected", lambda volume: corrected.append(volume.name) or volume)
    one, two, three = (csafusion.read_volume(scans / f"{name}.nii.gz") for name in ("ct", "t1", "pet"))
    movings = [MovingVolume(volume=two, modality=Modality.MR), MovingVolume(volume=three, modality=Modality.PET)]
    settings = csafusion.FusionSettings(
        registration="none", weights=str(weights_file), device="cpu", fixed_modality="ct", bias_correction=True
    )
    found = fuse_several(one, movings, settings)
    assert corrected == ["t1.nii.gz"]
    assert len(found.provenance["steps"]) == 2
    with pytest.raises(InputError, match="none of the volumes is one"):
        fuse_several(one, movings[1:], settings)


def _mask_of(scans: Path, name: str) -> str:
    image = sitk.ReadImage(str(scans / f"{name}.nii.gz")) > 0
    sitk.WriteImage(image, str(scans / f"mask_of_{name}.nii.gz"))
    return str(scans / f"mask_of_{name}.nii.gz")


def test_each_registration_has_the_fixed_mask_and_its_own(scans: Path, weights_file: Path, monkeypatch) -> None:
    from CSAFusionLib.fusion import pipeline

    asked = []
    real = pipeline.register

    def seen(fixed: Volume, moving: Volume, **more):
        asked.append((moving.name, [source["of"] for source in more["masks"].sources]))
        return real(fixed, moving, **(more | {"method": Method.NONE, "masks": NO_MASKS}))

    monkeypatch.setattr(pipeline, "register", seen)
    ct = f"{scans / 'ct.nii.gz'}:ct,mask={_mask_of(scans, 'ct')}"
    words = ["--moving", ct, "--moving", str(scans / "pet.nii.gz")]
    words += ["--mask", _mask_of(scans, "t1"), "-o", str(scans / "out"), "--weights", str(weights_file)]
    result = CliRunner().invoke(app, ["fuse", str(scans / "t1.nii.gz"), *words, "--device", "cpu"])
    assert result.exit_code == 0, result.output
    assert asked == [("ct.nii.gz", ["fixed", "moving"]), ("pet.nii.gz", ["fixed"])]
    asked.clear()
    movings = [{"volume": scans / "ct.nii.gz", "mask": _mask_of(scans, "ct")}]
    csafusion.fuse_several(scans / "t1.nii.gz", movings, weights=weights_file, device="cpu")
    assert asked == [("ct.nii.gz", ["moving"])]


def test_they_are_fused_on_another_grid_and_drawn(scans: Path, weights_file: Path) -> None:
    words = ["--moving", str(scans / "ct.nii.gz:ct"), "--moving", str(scans / "pet.nii.gz:pet,hot-iron")]
    words += ["-o", str(scans / "out"), "--spacing", "8", "--png", str(scans / "picture.png")]
    code, said = _fuse(scans, weights_file, *words)
    assert code == 0, said
    images = [sitk.ReadImage(str(scans / "out" / name)) for name in ("fused.nii.gz", "registered-2.nii.gz")]
    assert [(image.GetSize(), image.GetSpacing()) for image in images] == [((12, 10, 8), (8.0, 8.0, 8.0))] * 2
    assert json.loads((scans / "out" / "provenance.json").read_text())["output_grid"]["spacing_mm"] == 8
    picture = sitk.ReadImage(str(scans / "picture.png"))
    assert picture.GetSize()[0] >= 4 * 128


def test_the_grid_of_a_moving_volume_is_that_of_the_first(scans: Path, weights_file: Path) -> None:
    pet = sitk.ReadImage(str(scans / "pet.nii.gz"))
    sitk.WriteImage(sitk.Shrink(pet, [2, 2, 1]), str(scans / "coarse.nii.gz"))
    common = {"registration": "none", "weights": weights_file, "device": "cpu", "fixed_modality": "mr"}
    movings = [{"volume": scans / f"{name}.nii.gz", "modality": "ct"} for name in ("coarse", "ct")]
    result = csafusion.fuse_several(scans / "t1.nii.gz", movings, grid="moving", **common)
    assert same_grid(result.fused, sitk.ReadImage(str(scans / "coarse.nii.gz")))
    assert all(same_grid(image, result.fused) for image in result.registered)


def test_the_fused_volume_goes_back_to_the_archive(scans: Path, weights_file: Path, tmp_path: Path) -> None:
    pytest.importorskip("highdicom")
    folder = write_classic(tmp_path / "mr", np.random.default_rng(0).integers(0, 999, (4, 20, 24)).astype(np.uint16))
    moving = tmp_path / "ct.nii.gz"
    image = csafusion.read_volume(folder).image
    sitk.WriteImage(sitk.SmoothingRecursiveGaussian(sitk.Cast(image, sitk.sitkFloat32), 1.0), str(moving))
    words = ["--moving", f"{moving}:ct", "--moving", f"{moving}:ct", "-o", str(tmp_path / "out"), "--dicom"]
    words += ["--registration", "none", "--weights", str(weights_file), "--device", "cpu", "--fixed-modality", "mr"]
    result = CliRunner().invoke(app, ["fuse", str(folder), *words])
    assert result.exit_code == 0, result.output
    names = {path.name for path in (tmp_path / "out").iterdir()}
    assert names == {
        "dicom", "provenance.json", "registered-1.nii.gz", "registered-2.nii.gz", "transform-1.h5", "transform-2.h5"
    }  # fmt: skip
    again = csafusion.read_volume(tmp_path / "out" / "dicom")
    assert same_grid(again.image, image)
    assert len(list((tmp_path / "out" / "dicom").iterdir())) == 4


UPTAKE = (0.0, 0.4, 1.0, 0.7)
TIMES = {"FrameTimesStart": [0, 10, 70, 370], "FrameDuration": [10, 60, 300, 600], "Modality": "PT"}


@pytest.fixture(scope="module")
def a_series(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A folder with a T1, and a dynamic PET of the same made-up head whose first volume is empty."""
    folder = tmp_path_factory.mktemp("a_series")
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


def _fuse_series(
    a_series: Path, weights_file: Path, *words: object, inputs: tuple[str, str] = ("t1", "pet")
) -> tuple[int, str]:
    files = [str(a_series / f"{name}.nii.gz") for name in inputs]
    common = ["--registration", "none", "--weights", str(weights_file), "--device", "cpu"]
    result = CliRunner().invoke(app, ["fuse", *files, *map(str, words), *common])
    return result.exit_code, result.output


def test_a_series_becomes_one_file_that_keeps_its_times(a_series: Path, weights_file: Path, tmp_path: Path) -> None:
    words = ["--volume", "all", "-o", tmp_path / "f.nii.gz", "--provenance", tmp_path / "how.json"]
    words += ["--registered", tmp_path / "r.nii.gz", "--contribution", tmp_path / "c.nrrd", "--png", tmp_path / "p.png"]
    words += ["--metrics", tmp_path / "m.tsv", "--transform", tmp_path / "t.tfm", "--colour-table", "hot-iron"]
    code, said = _fuse_series(a_series, weights_file, *words)
    assert code == 0, said
    assert "Series       moving, 4 volumes, registered by their mean, begun 0 to 370 s" in said
    assert "for one volume of the series at a time" in said
    names = {"f.nii.gz", "f.json", "how.json", "r.nii.gz", "c.nrrd", "p.png", "m.tsv", "t.tfm"}
    assert {file.name for file in tmp_path.iterdir()} == names
    fused, registered = (sitk.ReadImage(str(tmp_path / name)) for name in ("f.nii.gz", "r.nii.gz"))
    assert fused.GetSize() == registered.GetSize() == (24, 20, 8, 4)
    assert fused.GetNumberOfComponentsPerPixel() == 3
    np.testing.assert_array_equal(
        sitk.GetArrayFromImage(registered), sitk.GetArrayFromImage(sitk.ReadImage(str(a_series / "pet.nii.gz")))
    )
    assert json.loads((tmp_path / "f.json").read_text()) == {key: TIMES[key] for key in list(TIMES)[:2]}
    series = json.loads((tmp_path / "how.json").read_text())["series"]
    assert (series["of"], series["volumes"], series["registered_by"]) == ("moving", 4, "mean")
    rows = (tmp_path / "m.tsv").read_text().splitlines()
    assert rows[0].startswith("volume\tslice\t")
    assert [sum(row.startswith(f"{number}\t") for row in rows) for number in range(1, 5)] == [8] * 4


def test_each_volume_is_what_it_is_by_itself_under_one_window(a_series: Path, quick: dict) -> None:
    results = list(
        csafusion.fuse_series(a_series / "t1.nii.gz", a_series / "pet.nii.gz", colour_table="hot-iron", **quick)
    )
    assert len(results) == 4
    shown = [(one.provenance["moving"]["black"], one.provenance["moving"]["white"]) for one in results]
    assert len(set(shown)) == 1
    black, white = shown[0]
    for number in (2, 3, 4):
        alone = csafusion.fuse(
            a_series / "t1.nii.gz",
            csafusion.read_volume(a_series / "pet.nii.gz", number),
            moving_modality="pet",
            moving_window=f"{(black + white) / 2},{white - black}",
            colour_table="hot-iron",
            **quick,
        )
        voxels = [sitk.GetArrayFromImage(one.fused).astype(int) for one in (results[number - 1], alone)]
        assert np.abs(voxels[0] - voxels[1]).max() <= 1
    brightness = [sitk.GetArrayViewFromImage(one.moving_mapped).mean() for one in results]
    assert np.argsort(brightness).tolist() == np.argsort(UPTAKE).tolist()


def test_it_is_registered_once_by_what_was_named(a_series: Path, quick: dict, monkeypatch) -> None:
    from CSAFusionLib.fusion import pipeline

    asked = []
    real = pipeline.register

    def counted(fixed, moving, **more):
        asked.append(moving.name)
        return real(fixed, moving, **more)

    monkeypatch.setattr(pipeline, "register", counted)
    for by, name in (("mean", "pet.nii.gz"), (3, "volume 3 of pet.nii.gz")):
        asked.clear()
        results = list(csafusion.fuse_series(a_series / "t1.nii.gz", a_series / "pet.nii.gz", register_by=by, **quick))
        assert asked == [name]
        assert {id(one.registration) for one in results} == {id(results[0].registration)}
        assert results[0].provenance["series"]["registered_by"] == by
    with pytest.raises(InputError, match="'volume 1 of pet.nii.gz' is constant"):
        list(csafusion.fuse_series(a_series / "t1.nii.gz", a_series / "pet.nii.gz", register_by=1, **quick))


def test_a_folder_gets_one_file_a_volume(a_series: Path, weights_file: Path, tmp_path: Path) -> None:
    out = tmp_path / "out"
    code, said = _fuse_series(a_series, weights_file, "--volume", "1,all", "-o", out, "--register-by", "3")
    assert code == 0, said
    numbered = [f"fused-{number:03}.nii.gz" for number in range(1, 5)]
    assert sorted(file.name for file in out.iterdir()) == [*numbered, "provenance.json"]
    assert all(
        same_grid(sitk.ReadImage(str(out / name)), sitk.ReadImage(str(a_series / "t1.nii.gz"))) for name in numbered
    )
    (out / "provenance.json").unlink()
    code, said = _fuse_series(a_series, weights_file, "--volume", "1,all", "-o", out)
    assert (code, "fused-001.nii.gz' already exists" in said) == (2, True)


def test_the_series_may_be_the_fixed_one_and_the_grid_another(
    a_series: Path, weights_file: Path, tmp_path: Path
) -> None:
    words = ["--volume", "all", "-o", tmp_path / "f.mha", "--spacing", "8"]
    code, said = _fuse_series(a_series, weights_file, *words, inputs=("pet", "t1"))
    assert code == 0, said
    assert "Series       fixed, 4 volumes" in said
    fused = sitk.ReadImage(str(tmp_path / "f.mha"))
    assert (fused.GetSize(), fused.GetSpacing()[:3]) == ((12, 10, 8, 4), (8.0, 8.0, 8.0))


@pytest.mark.parametrize(
    ("words", "inputs", "sentence"),
    [
        (["--volume", "all"], ("t1", "t1"), "Neither input holds several volumes"),
        (["--volume", "all"], ("pet", "pet"), "it is not clear which of them is the series"),
        (["--volume", "all,all"], ("pet", "pet"), "does not say which volumes are meant"),
        (["--volume", "9,all"], ("pet", "pet"), "there is no volume 9"),
        (["--volume", "all", "--register-by", "9"], ("t1", "pet"), "there is no volume 9"),
        (["--volume", "all", "--dicom"], ("t1", "pet"), "all by one --use-transform"),
        (["--volume", "all", "--style", "side-by-side"], ("t1", "pet"), "has no style side by side"),
        (["--volume", "2", "--register-by", "2"], ("t1", "pet"), "--register-by is for a series"),
    ],
)
def test_what_cannot_be_meant_is_told_and_writes_nothing(
    a_series: Path, weights_file: Path, tmp_path: Path, words: list[str], inputs: tuple[str, str], sentence: str
) -> None:
    code, said = _fuse_series(a_series, weights_file, *words, "-o", tmp_path / "f.nii.gz", inputs=inputs)
    assert (code, sentence in said) == (2, True), said
    assert not list(tmp_path.iterdir())


def test_a_list_of_volumes_is_a_series_too(a_series: Path, quick: dict) -> None:
    pets = [csafusion.read_volume(a_series / "pet.nii.gz", number) for number in (2, 3)]
    results = list(csafusion.fuse_series(a_series / "t1.nii.gz", pets, moving_modality="pet", **quick))
    assert [one.provenance["series"]["volumes"] for one in results] == [2, 2]


def test_a_warning_of_some_volumes_names_them() -> None:
    assert warnings_of([["a", "b"], ["a"], ["a", "b"]]) == ["a", "Of volumes 1, 3: b"]


def test_the_t1_of_a_series_is_windowed_for_the_tissue_of_all_its_volumes(
    a_series: Path, quick: dict, tmp_path: Path
) -> None:
    pair = a_series / "pet.nii.gz", tmp_path / "unnamed.nii.gz"
    shutil.copy(a_series / "t1.nii.gz", pair[1])
    results = list(csafusion.fuse_series(*pair, moving_modality="mr", **quick))
    assert len({json.dumps(one.provenance["fixed"]) for one in results}) == 1
    shown = results[0].provenance["fixed"]
    pooled = np.stack([sitk.GetArrayViewFromImage(one.fixed_mapped) for one in results])
    mapping = IntensityMapping(0.0, 1.0)
    grey = white_matter_grey(pooled.reshape(-1, *pooled.shape[2:]), mapping, is_t1=True)
    assert shown["knee"] is not None
    assert grey == pytest.approx(WHITE_MATTER_OF_T1, abs=0.1)
