"""One case from disk to disk, and whether it counts as done."""

from __future__ import annotations

import hashlib
import json
import os
from dataclasses import replace
from pathlib import Path, PurePosixPath

import nibabel
import pytest
import SimpleITK as sitk

from CSAFusionLib.api import fuse
from CSAFusionLib.batch.case import Case, Place
from CSAFusionLib.batch.layout import Record, Summary, read_records
from CSAFusionLib.batch.perform import perform
from CSAFusionLib.batch.resuming import ended
from CSAFusionLib.qc.cases import find_cases
from CSAFusionLib.volumes.nifti import Orientation
from Testing.batch.conftest import MakeCase


def contents(folder: Path) -> dict[str, bytes]:
    """All files of a folder, the sidecars without what differs from run to run."""
    found = {}
    for file in sorted(path for path in folder.rglob("*") if path.is_file()):
        data = file.read_bytes()
        if file.suffix == ".json":
            data = json.dumps({key: value for key, value in json.loads(data).items() if key != "run"}).encode()
        found[str(file.relative_to(folder))] = data
    return found


def test_a_case_is_the_same_voxels_as_from_python_with_a_sidecar(make_case: MakeCase, out: Path) -> None:
    case = make_case("one", weights=None)
    record = perform(case, out, "csafusion batch")
    assert sorted(contents(out)) == [f"one/{name}" for name in (
        "case.json", "fused.nii.gz", "registered.nii.gz", "transform.tfm"
    )]  # fmt: skip
    known = fuse(case.fixed, case.moving, case.settings)
    assert sitk.Hash(sitk.ReadImage(str(record.output("fused")))) == sitk.Hash(known.fused)
    assert read_records(out) == [record]
    fixed, fused = record.values["inputs"]["fixed"], record.values["outputs"]["fused"]
    assert fixed["sha256"] == hashlib.sha256(case.fixed.read_bytes()).hexdigest()
    assert fused["sha256"] == hashlib.sha256((out / "one" / "fused.nii.gz").read_bytes()).hexdigest()
    assert record.values["run"]["command"] == "csafusion batch"
    assert record.values["registration"]["verdict"]["level"] in ("good", "doubtful", "bad")


def test_a_case_done_again_is_byte_for_byte_the_same_but_for_its_run(make_case: MakeCase, out: Path) -> None:
    perform(make_case("one"), out, "first")
    before = contents(out)
    perform(make_case("one"), out, "second")
    assert contents(out) == before


def test_a_damaged_input_is_told_and_leaves_only_a_record(make_case: MakeCase, out: Path) -> None:
    case = make_case("one")
    case.fixed.write_bytes(case.fixed.read_bytes()[:200])
    record = perform(case, out, "csafusion")
    assert record.failed
    assert "one_t1.nii.gz" in record.sentence
    assert sorted(contents(out)) == ["failed/one.json"]
    assert ended(case, out) == record


def test_a_case_that_is_done_at_last_has_failed_no_more(make_case: MakeCase, out: Path) -> None:
    case = make_case("one")
    whole = case.moving.read_bytes()
    case.moving.unlink()
    assert "does not exist" in perform(case, out, "csafusion").sentence
    case.moving.write_bytes(whole)
    assert ended(case, out) is None
    perform(case, out, "csafusion")
    assert [record.failed for record in read_records(out)] == [False]


def test_only_the_same_inputs_and_settings_count_as_done(make_case: MakeCase, out: Path) -> None:
    case = make_case("one")
    record = perform(case, out, "csafusion")
    assert ended(case, out) == record
    assert ended(replace(case, settings=replace(case.settings, balance=0.5)), out) is None
    assert ended(replace(case, volume="1"), out) is None
    case.fixed.write_bytes(b"changed")
    assert ended(case, out) is None


def test_inputs_that_were_moved_away_do_not_undo_what_is_done(make_case: MakeCase, out: Path) -> None:
    case = make_case("one")
    record = perform(case, out, "csafusion")
    case.fixed.unlink()
    assert ended(case, out) == record


def test_a_case_whose_output_is_gone_is_not_done(make_case: MakeCase, out: Path) -> None:
    case = make_case("one")
    perform(case, out, "csafusion").output("fused").unlink()
    assert ended(case, out) is None


def test_a_folder_of_something_else_is_not_touched(make_case: MakeCase, out: Path) -> None:
    (out / "one").mkdir()
    (out / "one" / "thesis.txt").write_text("years of work")
    record = perform(make_case("one"), out, "csafusion")
    assert "is not a case of a batch" in record.sentence
    assert (out / "one" / "thesis.txt").read_text() == "years of work"


def test_a_transform_that_is_given_is_used_and_judged(make_case: MakeCase, out: Path, tmp_path: Path) -> None:
    moved = sitk.Euler3DTransform()
    moved.SetTranslation((3.0, 0.0, 0.0))
    sitk.WriteTransform(moved, str(tmp_path / "known.tfm"))
    record = perform(replace(make_case("one"), transform=tmp_path / "known.tfm"), out, "csafusion")
    assert sitk.ReadTransform(str(record.output("transform"))).TransformPoint((0.0, 0.0, 0.0))[0] == 3.0
    assert record.values["registration"]["matrix_lps_mm"][0][3] == 3.0
    assert record.verdict is not None
    assert "sha256" in record.values["inputs"]["transform"]


def test_a_case_known_to_be_impossible_fails_with_its_sentence_and_stays_so(make_case: MakeCase, out: Path) -> None:
    case = replace(make_case("one"), refusal="It has two partners; say which.")
    record = perform(case, out, "csafusion")
    assert record.sentence == "It has two partners; say which."
    assert ended(case, out) == record


@pytest.fixture
def shared_folder(make_case: MakeCase) -> Case:
    place = Place(PurePosixPath("sub-1/pet"), "a_fused.nii.gz", "a_reg.nii.gz", "a_xfm", "a_desc-fused_pet.json", False)
    place = replace(place, sidecars={"a_reg.json": {"Sources": []}}, described={"Description": "Fused."})
    return replace(make_case("one"), place=place)


def test_cases_can_share_a_folder_as_in_bids(shared_folder: Case, out: Path) -> None:
    (out / "sub-1" / "pet").mkdir(parents=True)
    (out / "sub-1" / "pet" / "another.nii.gz").touch()
    record: Record = perform(shared_folder, out, "csafusion")
    assert sorted(path.name for path in (out / "sub-1" / "pet").iterdir()) == [
        "a_desc-fused_pet.json", "a_fused.nii.gz", "a_reg.json", "a_reg.nii.gz", "a_xfm.tfm", "another.nii.gz"
    ]  # fmt: skip
    assert record.values["Description"] == "Fused."
    assert [path.name for path in out.iterdir()] == ["sub-1"]
    assert read_records(out) == [record]


def test_a_case_without_its_fixed_volume_has_failed_before(make_case: MakeCase, out: Path) -> None:
    case = make_case("one")
    case.fixed.unlink()
    record = perform(case, out, "csafusion")
    assert set(record.values["inputs"]) == {"fixed", "moving"}
    assert ended(case, out) == record


def test_a_region_is_placed_as_the_volumes_are(make_case: MakeCase, out: Path) -> None:
    case = make_case("one")
    for path in (case.fixed, case.moving):
        image = nibabel.load(path)
        image.set_sform(image.get_qform() + [[0, 0, 0, 6], [0] * 4, [0] * 4, [0] * 4], code=1)
        nibabel.save(image, path)
    case = replace(case, region=case.fixed, orientation=Orientation.QFORM)
    assert not perform(case, out, "csafusion").failed


def _mask(case: Case, path: Path, *, slices: slice = slice(None)) -> Path:
    image = sitk.ReadImage(str(case.fixed)) * 0 + 1
    inside = sitk.GetArrayFromImage(image)
    inside[slices] = 1 - inside[slices]
    mask = sitk.GetImageFromArray(inside.astype("uint8"))
    mask.CopyInformation(image)
    sitk.WriteImage(mask, str(path))
    return path


def test_masks_guide_the_registration_and_are_inputs(make_case: MakeCase, out: Path, tmp_path: Path) -> None:
    case = make_case("one", registration="sitk")
    masks = [_mask(case, tmp_path / f"{name}.nii.gz", slices=slice(0, 1)) for name in ("fixed", "moving")]
    case = replace(case, mask=masks[0], moving_mask=masks[1])
    record = perform(case, out, "csafusion")
    assert [one["of"] for one in record.values["registration"]["masks"]] == ["fixed", "moving"]
    assert record.values["inputs"]["mask"]["sha256"] == record.values["registration"]["masks"][0]["sha256"]
    assert ended(case, out) == record
    _mask(case, masks[1], slices=slice(0, 2))
    assert ended(case, out) is None
    assert ended(replace(case, moving_mask=None), out) is None


def test_a_mask_on_another_grid_fails_its_case(make_case: MakeCase, out: Path, tmp_path: Path) -> None:
    sitk.WriteImage(sitk.Image(4, 4, 4, sitk.sitkUInt8) + 1, str(tmp_path / "mask.nii.gz"))
    record = perform(replace(make_case("one"), mask=tmp_path / "mask.nii.gz"), out, "csafusion")
    assert "does not lie on its grid" in record.sentence


MAP = ["misalignment-uncertainty.nii.gz", "misalignment.nii.gz", "misalignment.png"]


def test_how_far_off_it_is_lies_beside_the_result_and_stands_in_the_summary(make_case: MakeCase, out: Path) -> None:
    plain = make_case("one")
    record = perform(plain, out, "csafusion")
    case = replace(plain, misalignment=True)
    assert (ended(plain, out), ended(case, out)) == (record, None)
    record = perform(case, out, "csafusion")
    assert sorted(path.name for path in (out / "one").iterdir() if "misalignment" in path.name) == MAP
    told = record.values["registration"]["misalignment"]
    assert "within" in told["sentence"] or "is not known" in told["sentence"]
    assert record.output("misalignment").name == "misalignment.nii.gz"
    with Summary(out / "summary.tsv", ["one"], [record]):
        pass
    header, row = (line.split("\t") for line in (out / "summary.tsv").read_text().splitlines())
    assert row[header.index("misalignment")] == told["sentence"]
    (found,) = find_cases(out)
    assert found.load is not None
    volumes = found.load()
    assert volumes.off is not None
    assert volumes.off_said == told["sentence"]


def test_in_a_shared_folder_a_map_gives_way_with_its_case(shared_folder: Case, out: Path) -> None:
    place = replace(
        shared_folder.place, misalignment=("a_off.nii.gz", "a_dev.nii.gz", "a_off.png"), map_sidecars={"a_off.json": {}}
    )
    case = replace(shared_folder, place=place, misalignment=True)
    perform(case, out, "csafusion")
    there = {path.name for path in (out / "sub-1" / "pet").iterdir()}
    assert {"a_off.nii.gz", "a_dev.nii.gz", "a_off.png", "a_off.json"} < there
    perform(replace(case, misalignment=False, volume="1"), out, "csafusion")
    assert not {path.name for path in (out / "sub-1" / "pet").iterdir()} & {
        "a_off.nii.gz",
        "a_off.json",
        "a_dev.nii.gz",
    }


def test_the_same_case_put_in_place_by_another_worker_meanwhile_gives_way(
    make_case: MakeCase, out: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    case = make_case("one")
    perform(case, out, "first")
    others, real = [0], os.rename

    def rename(source: Path, target: Path) -> None:
        real(source, target)
        if Path(source) == out / "one" and others[0] < 2:
            others[0] += 1
            (out / "one").mkdir()
            (out / "one" / "case.json").write_text("{}")

    monkeypatch.setattr(os, "rename", rename)
    record = perform(case, out, "second")
    assert others == [2]
    assert read_records(out) == [record]
    assert [path.name for path in out.iterdir()] == ["one"]


def test_a_series_among_volumes_is_told_with_the_column_that_names_one_of_it(make_case: MakeCase, out: Path) -> None:
    case = make_case("one")
    image = sitk.ReadImage(str(case.moving))
    sitk.WriteImage(sitk.JoinSeries([image, image]), str(case.moving))
    record = perform(case, out, "csafusion batch")
    assert "holds 2 volumes" in record.sentence
    assert record.sentence.endswith("or for this case alone in a column 'volume' of the table.")
    assert not perform(replace(case, volume="2"), out, "csafusion batch").failed
