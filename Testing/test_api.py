"""CSAFusionLib.api: what ``import CSAFusionLib as csafusion`` offers."""

from __future__ import annotations

import json
import logging
import subprocess
import sys
from pathlib import Path

import nibabel
import numpy as np
import pytest
import SimpleITK as sitk

import CSAFusionLib as csafusion
from CSAFusionLib.errors import InputError
from CSAFusionLib.fusion.pipeline import fuse_volumes
from CSAFusionLib.geometry.grid import same_grid
from CSAFusionLib.geometry.planes import Plane
from CSAFusionLib.intensity.mapping import CT_WINDOWS, Window
from CSAFusionLib.intensity.modality import Modality
from CSAFusionLib.registration.registration import Method, TransformModel

ROOT = Path(__file__).resolve().parents[1]


def in_a_fresh_process(statements: str) -> str:
    """The last line that a fresh interpreter prints."""
    done = subprocess.run([sys.executable, "-c", statements], cwd=ROOT, capture_output=True, text=True, check=True)
    return done.stdout.splitlines()[-1]


@pytest.fixture
def a_head() -> tuple[np.ndarray, np.ndarray]:
    """A small head-like array indexed [i, j, k], and an oblique affine to RAS mm."""
    x, y, z = np.meshgrid(np.linspace(-1, 1, 24), np.linspace(-1, 1, 28), np.linspace(-1, 1, 12), indexing="ij")
    array = ((x**2 + y**2 + z**2 < 0.8) * (500 + 200 * np.sin(5 * x + 3 * y + 2 * z))).astype(np.float32)
    cosine, sine = np.cos(0.2), np.sin(0.2)
    affine = np.array([[-5 * cosine, 5 * sine, 0, 60], [5 * sine, 5 * cosine, 0, -70], [0, 0, 9, -50], [0, 0, 0, 1]])
    return array, affine


@pytest.fixture
def another(a_head) -> tuple[np.ndarray, np.ndarray]:
    """The same head with other brightness."""
    return np.where(a_head[0] > 0, 1000 - a_head[0], 0).astype(np.float32), a_head[1]


@pytest.fixture
def quick(weights_file) -> dict:
    """Choices with which a fusion takes a moment."""
    return {"registration": "none", "weights": weights_file, "device": "cpu", "fixed_modality": "mr"}


def voxels(image: sitk.Image) -> np.ndarray:
    return sitk.GetArrayFromImage(image)


# --- the door itself


def test_importing_it_loads_nothing_but_itself() -> None:
    loaded = in_a_fresh_process(
        "import sys; before = set(sys.modules); import CSAFusionLib\n"
        "print(sorted(set(sys.modules) - before - {'__future__'}))"
    )
    assert loaded == "['CSAFusionLib']"


def test_importing_it_takes_less_than_fifty_milliseconds() -> None:
    taken = in_a_fresh_process(
        "import time; began = time.process_time(); import CSAFusionLib; print(time.process_time() - began)"
    )
    assert float(taken) < 0.05


def test_every_public_name_is_there_and_is_listed() -> None:
    assert set(csafusion.__all__) <= set(dir(csafusion))
    assert all(getattr(csafusion, name).__name__ == name for name in csafusion.__all__)


def test_a_misspelt_name_is_an_attribute_error() -> None:
    with pytest.raises(AttributeError, match="has no attribute 'fuze'"):
        csafusion.fuze  # noqa: B018


def test_a_type_checker_sees_what_each_name_is(tmp_path: Path) -> None:
    script = tmp_path / "script.py"
    script.write_text(
        "import CSAFusionLib as csafusion\n"
        'reveal_type(csafusion.fuse("a.nii", "b.nii", registration="none"))\n'
        'reveal_type(csafusion.register("a.nii", "b.nii").transform)\n'
        "csafusion.fuze\n"
    )
    cache = ROOT / ".mypy_cache"
    command = [sys.executable, "-m", "mypy", "--config-file", "pyproject.toml", "--cache-dir", str(cache), str(script)]
    said = subprocess.run(command, cwd=ROOT, capture_output=True, text=True, check=False).stdout
    assert 'Revealed type is "CSAFusionLib.fusion.result.FusionResult"' in said
    assert 'has no attribute "fuze"' in said


# --- what serves as a volume


def test_a_file_its_nibabel_image_and_its_array_give_the_same_volume(a_head, tmp_path: Path) -> None:
    path = tmp_path / "head.nii.gz"
    nibabel.save(nibabel.Nifti1Image(a_head[0].astype(np.int16), a_head[1]), path)
    loaded = nibabel.load(path)
    from_file = csafusion.read_volume(path).image
    for source in (str(path), loaded, (np.asarray(loaded.dataobj), loaded.affine), sitk.ReadImage(str(path))):
        image = csafusion.read_volume(source).image
        assert np.array_equal(voxels(image), voxels(from_file))
        assert image.GetPixelID() == from_file.GetPixelID()
        assert same_grid(image, from_file)


def test_a_dicom_folder_serves(tmp_path: Path) -> None:
    image = sitk.GetImageFromArray(np.arange(4 * 5 * 6, dtype=np.int16).reshape(4, 5, 6))
    image.SetSpacing((2.0, 2.0, 3.0))
    for index in range(4):
        piece = image[:, :, index]
        piece = sitk.JoinSeries([piece], image.GetOrigin()[2] + 3 * index, 3.0)
        for tag, value in {
            "0008|0060": "MR", "0020|000d": "1.2.3", "0020|000e": "1.2.3.4", "0020|0052": "1.2.3.5",
            "0020|0032": f"0\\0\\{3 * index}", "0020|0037": "1\\0\\0\\0\\1\\0", "0020|0013": str(index + 1),
        }.items():  # fmt: skip
            piece.SetMetaData(tag, value)
        writer = sitk.ImageFileWriter()
        writer.KeepOriginalImageUIDOn()
        writer.SetFileName(str(tmp_path / f"{index}.dcm"))
        writer.Execute(piece)
    read = csafusion.read_volume(tmp_path)
    assert np.array_equal(voxels(read.image), voxels(image))
    assert read.modality_hint == "MR"


@pytest.mark.parametrize("source", [None, 3, b"a.nii", ["a.nii"], ("a.nii", "b.nii"), {}, np.zeros((3, 3, 3))])
def test_what_is_no_volume_is_refused_in_one_sentence_that_says_what_serves(a_head, source) -> None:
    for pair in ((source, a_head), (a_head, source)):
        with pytest.raises(InputError, match=r"\(array, affine\)") as caught:
            csafusion.fuse(*pair)
        assert "\n" not in str(caught.value)


def test_the_volume_that_cannot_be_used_is_named(a_head) -> None:
    with pytest.raises(InputError, match="^'moving' is constant"):
        csafusion.fuse(a_head, (np.ones((4, 4, 4)), np.eye(4)), registration="none")


def test_what_is_for_files_is_refused_for_what_is_in_memory(a_head) -> None:
    with pytest.raises(InputError, match="are for files"):
        csafusion.read_volume(a_head, volume=2)
    with pytest.raises(InputError, match="There is no orientation 'lps'; choose one of header, sform"):
        csafusion.read_volume("a.nii", orientation="lps")


# --- fuse


def test_fusing_arrays_is_fusing_the_volumes_they_stand_for(a_head, another, quick) -> None:
    result = csafusion.fuse(a_head, another, **quick, balance=0.3)
    settings = csafusion.FusionSettings(
        registration=Method.NONE,
        weights=str(quick["weights"]),
        device="cpu",
        fixed_modality=Modality.MR,
        balance=0.3,
    )
    expected = fuse_volumes(csafusion.read_volume(a_head), csafusion.read_volume(another), settings)
    assert np.array_equal(voxels(result.fused), voxels(expected.fused))
    assert same_grid(result.fused, csafusion.read_volume(a_head).image)


def test_names_serve_for_enums_and_windows() -> None:
    named = csafusion.FusionSettings(
        registration="Landmarks",
        transform_model="affine",
        fixed_modality="ct",
        moving_modality="PET",
        plane="coronal",
        fixed_window="brain",
        moving_window="100,50",
    )
    assert (named.registration, named.transform_model) == (Method.LANDMARKS, TransformModel.AFFINE)
    assert (named.fixed_modality, named.moving_modality, named.plane) == (Modality.CT, Modality.PET, Plane.CORONAL)
    assert (named.fixed_window, named.moving_window) == (CT_WINDOWS["brain"], Window(100, 50))


@pytest.mark.parametrize(
    ("choices", "said"),
    [
        ({"registration": "magic"}, "no registration 'magic'; choose one of auto"),
        ({"fixed_window": "liver"}, "'liver' is not a window; give one of brain"),
        ({"fixed_window": (40, 80)}, "A window is the name of a CT window"),
        ({"strenght": 1}, "There is no setting 'strenght'; choose from registration"),
        ({"settings": {"balance": 1}}, "give FusionSettings"),
        ({"registration": sitk.Euler3DTransform()}, "The registration is"),
        ({"contribution": 1}, "give true or false"),
    ],
)
def test_a_choice_that_cannot_be_is_refused_in_one_sentence(a_head, another, choices, said) -> None:
    with pytest.raises(InputError, match=said):
        csafusion.fuse(a_head, another, **choices)


def test_a_single_choice_goes_before_the_settings(a_head, another, quick) -> None:
    settings = csafusion.FusionSettings(**quick, plane="sagittal", seed=3)
    chosen = csafusion.fuse(a_head, another, settings, seed=4).provenance["settings"]
    assert (chosen["plane"], chosen["seed"], chosen["registration"]) == ("SAGITTAL", 4, "NONE")


def test_a_registration_found_before_is_used(a_head, another, quick) -> None:
    known = csafusion.register(a_head, another, "none")
    assert known.quality is not None
    result = csafusion.fuse(a_head, another, **quick | {"registration": known})
    assert result.registration is known


def test_a_registration_is_of_the_method_and_the_model_that_are_named(a_head, another) -> None:
    with pytest.raises(InputError, match="'landmarks' cannot be syn; choose rigid or affine"):
        csafusion.register(a_head, another, "landmarks", "syn")
    with pytest.raises(InputError, match="no method 'best'; choose one of auto, none"):
        csafusion.register(a_head, another, "best")


def test_outside_a_region_the_result_is_the_fixed_volume(a_head, another, quick) -> None:
    mask = np.zeros(a_head[0].shape, bool)
    mask[:, :, :6] = True
    result = csafusion.fuse(a_head, another, **quick, region=(mask, a_head[1]))
    apart = voxels(result.fused) != voxels(result.fixed_mapped)
    assert apart[:6].any() and not apart[6:].any()


def test_a_region_on_another_grid_is_refused(a_head, another, quick) -> None:
    with pytest.raises(InputError, match="does not lie on the fixed volume's grid"):
        csafusion.fuse(a_head, another, **quick, region=(np.ones((3, 3, 3)), a_head[1]))


# --- save and load


def test_a_saved_result_comes_back_to_the_last_bit(a_head, another, quick, tmp_path: Path) -> None:
    result = csafusion.fuse(a_head, another, **quick, contribution=True)
    result.save(tmp_path / "fused")
    back = csafusion.FusionResult.load(str(tmp_path / "fused"))
    for name in ("fused", "fixed_mapped", "moving_mapped", "moving_on_grid", "contribution"):
        before, after = getattr(result, name), getattr(back, name)
        assert np.array_equal(voxels(before), voxels(after)) and before.GetPixelID() == after.GetPixelID()
        for field in ("GetSize", "GetSpacing", "GetOrigin", "GetDirection"):
            assert getattr(before, field)() == getattr(after, field)(), (name, field)
    assert back.warnings == result.warnings
    for name, figures in result.figures.items():
        np.testing.assert_array_equal(back.figures[name], figures)
    assert back.provenance == json.loads(json.dumps(result.provenance))
    assert back.registration.quality == result.registration.quality
    assert back.registration.method is Method.NONE
    point = (1.0, 2.0, 3.0)
    assert back.registration.transform.TransformPoint(point) == result.registration.transform.TransformPoint(point)


# --- logging


def test_it_says_what_it_does_where_logging_is_asked_for_and_nothing_of_the_patient(
    a_head, another, quick, tmp_path: Path, caplog
) -> None:
    path = tmp_path / "Doe_Jane_19700101.nii.gz"
    nibabel.save(nibabel.Nifti1Image(*a_head), path)
    with caplog.at_level(logging.DEBUG, logger="CSAFusionLib"):
        csafusion.fuse(path, csafusion.Volume(csafusion.read_volume(another).image, "Doe Jane T2"), **quick)
    said = [record.getMessage() for record in caplog.records if record.name.startswith("CSAFusionLib")]
    assert any(line.startswith("fusing MR and MR, (24, 28, 12) voxels") for line in said)
    assert any(line.startswith("registered by none in ") for line in said)
    assert any(line.startswith("fused 12 slices on cpu") for line in said)
    assert not [line for line in said if "Doe" in line or str(tmp_path) in line]


def test_nothing_is_heard_of_it_where_logging_is_not_asked_for() -> None:
    code = "import sys; sys.stderr = sys.stdout; print('start'); from CSAFusionLib.logs import logger_of\n"
    assert in_a_fresh_process(code + "logger_of('CSAFusionLib.x').warning('heard')") == "start"


def test_only_one_way_to_the_alignment_is_taken(a_head, another, quick) -> None:
    shift = sitk.TranslationTransform(3, (1.0, 0.0, 0.0))
    with pytest.raises(InputError, match="give one of them"):
        csafusion.fuse(a_head, another, transform=shift, initial_transform=shift)
    with pytest.raises(InputError, match="leave out 'registration'"):
        csafusion.fuse(a_head, another, transform=shift, **quick)
    done = csafusion.register(a_head, another, method="none")
    with pytest.raises(InputError, match="leave one out"):
        csafusion.fuse(a_head, another, initial_transform=shift, registration=done)


def test_a_transform_in_memory_takes_the_place_of_a_registration(a_head, another, quick) -> None:
    shift = sitk.TranslationTransform(3, (1.0, 0.0, 0.0))
    others = {name: value for name, value in quick.items() if name != "registration"}
    result = csafusion.fuse(a_head, another, transform=shift, **others)
    assert result.registration.transform.TransformPoint((0.0, 0.0, 0.0)) == (1.0, 0.0, 0.0)
    assert result.provenance["registration"]["given"] == [{"format": "in memory"}]
