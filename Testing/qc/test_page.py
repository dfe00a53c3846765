"""The files of the review page and of the 3-D view; test_browser.py and test_view_in_browser.py open them."""

from __future__ import annotations

import gzip
import hashlib
import json
import re
from collections.abc import Callable
from pathlib import Path

import nibabel
import numpy as np
import pytest
import SimpleITK as sitk
from typer.testing import CliRunner, Result

from CSAFusionLib.cli.main import app
from CSAFusionLib.errors import InputError
from CSAFusionLib.qc import page as module
from CSAFusionLib.qc.cases import find_cases
from CSAFusionLib.qc.page import (
    LONGEST_SIDE,
    check_page_path,
    factors_to_fit,
    in_script,
    nifti_of,
    view_name,
    view_writer,
)


def _make(folder: Path, *options: str) -> str:
    result = CliRunner().invoke(app, ["qc", str(folder), *options])
    assert result.exit_code == 0, result.output
    assert "5: 1 bad, 1 doubtful, 1 failed, 2 good" in result.output
    assert "Research use only" in result.output
    return result.output


def test_the_command_writes_a_page_that_asks_nothing_of_a_network(a_batch: Path) -> None:
    _make(a_batch)
    page = (a_batch / "qc.html").read_text(encoding="utf-8")
    assert "default-src 'none'" in page
    assert "Research use only, not for diagnosis." in page
    assert not re.search(r"""(src|href)\s*=\s*["']?(https?:)?//""", page)
    assert page.count('id="pictures-') == 5
    assert "http://" not in page and "https://" not in page


def test_text_of_others_is_never_markup(a_batch: Path) -> None:
    _make(a_batch)
    page = (a_batch / "qc.html").read_text(encoding="utf-8")
    assert "<img src=x" not in page
    assert "\\u003cimg src=x" in page


def test_a_script_is_not_ended_by_what_it_holds() -> None:
    odd = {"a": "</script><!--", "b": "&amp; \u2028"}
    text = in_script(odd)
    assert not set("<>&") & set(text)
    assert json.loads(text) == odd


def test_what_cannot_be_read_is_told_in_its_row(a_batch: Path) -> None:
    (a_batch / "case-good" / "fused.nrrd").write_bytes(b"no volume")
    _make(a_batch)
    assert "There are no pictures: " in (a_batch / "qc.html").read_text(encoding="utf-8")


def test_a_page_is_made_again_but_a_strangers_file_stays(a_batch: Path, tmp_path: Path) -> None:
    _make(a_batch)
    _make(a_batch)
    other = tmp_path / "report.html"
    other.write_text("<p>mine</p>")
    with pytest.raises(InputError, match="is not a page of csafusion qc"):
        check_page_path(other)
    with pytest.raises(InputError, match=r"end it in \.html"):
        check_page_path(tmp_path / "qc.pdf")
    assert other.read_text() == "<p>mine</p>"


def test_the_page_goes_where_it_is_asked_for(a_batch: Path, tmp_path: Path) -> None:
    _make(a_batch, "-o", str(tmp_path / "look.html"))
    assert (tmp_path / "look.html").exists() and not (a_batch / "qc.html").exists()


NIIVUE = Path(module.__file__).parent / "niivue"


def _qc(folder: Path, *options: str) -> Result:
    return CliRunner().invoke(app, ["qc", str(folder), *options])


def test_one_file_has_all_that_it_shows_and_may_ask_for_nothing(a_batch: Path) -> None:
    result = _qc(a_batch, "--view", "case-good")
    assert result.exit_code == 0, result.output
    page = (a_batch / "view-case-good.html").read_text(encoding="utf-8")
    assert "default-src 'none'" in page and "Research use only, not for diagnosis." in page
    assert page.count('"nifti"') == 3 and "24 x 24 x 24 voxels" in page
    assert not re.search(r"""<[^>]*(src|href)\s*=\s*["']?(https?:)?//""", page)
    assert "Copyright (c) 2021, Niivue" in page
    assert not (a_batch / "qc.html").exists()


def test_the_page_links_to_a_view_that_lies_beside_it_and_keeps_its_decisions(a_batch: Path, tmp_path: Path) -> None:
    assert _qc(a_batch).exit_code == 0
    before = (a_batch / "qc.html").read_text(encoding="utf-8")
    assert _qc(a_batch, "--view", "case-good").exit_code == _qc(a_batch).exit_code == 0
    page = (a_batch / "qc.html").read_text(encoding="utf-8")
    assert page.count('"view": "view-case-good.html"') == 1 and page.count('"view": ""') == 4
    digests = re.compile('"digest": "([^"]+)"')
    assert digests.findall(page) == digests.findall(before)
    assert _qc(a_batch, "-o", str(tmp_path / "away.html")).exit_code == 0
    assert "view-case-good.html" not in (tmp_path / "away.html").read_text(encoding="utf-8")


@pytest.mark.parametrize(
    ("options", "sentence"),
    [
        (["--view", "nobody"], "has no case 'nobody'; it has case-bad, case-doubtful"),
        (["--view", "case-failed"], "The case 'case-failed' has no volumes to view"),
        (["--view", "case-good", "--misalignment"], "is for the page, not for a view"),
        (["--view", "case-good", "-o", "view.png"], "must end in .html"),
    ],
)
def test_what_cannot_be_viewed_is_refused_and_nothing_is_written(
    a_batch: Path, options: list[str], sentence: str, monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    monkeypatch.chdir(tmp_path)
    before = sorted(tmp_path.rglob("*"))
    result = _qc(a_batch, *options)
    assert result.exit_code == 2
    assert sentence in " ".join(result.output.split())
    assert sorted(tmp_path.rglob("*")) == before


def test_a_volume_that_cannot_be_read_leaves_no_view(a_batch: Path) -> None:
    (a_batch / "case-good" / "fused.nrrd").write_bytes(b"no volume")
    assert _qc(a_batch, "--view", "case-good").exit_code == 2
    assert not list(a_batch.glob("view-*"))


def test_a_view_that_is_there_is_replaced_only_by_overwrite(a_batch: Path) -> None:
    file = a_batch / "view-case-good.html"
    file.write_text("mine")
    assert _qc(a_batch, "--view", "case-good").exit_code == 2 and file.read_text() == "mine"
    assert _qc(a_batch, "--view", "case-good", "--overwrite").exit_code == 0
    assert "niivue" in file.read_text(encoding="utf-8")


def test_names_of_others_are_never_markup(tmp_path: Path, make_case: Callable[..., Path]) -> None:
    folder = make_case(tmp_path, "odd", "bad", verdict={"level": "bad", "reason": "</script><script>alert(1)</script>"})
    sidecar = folder / "case.json"
    sidecar.write_text(sidecar.read_text().replace('"name": "odd"', '"name": "</script><b>&{{script}}"'))
    (case,) = find_cases(tmp_path)
    view_writer(case)(tmp_path / "view.html")
    page = (tmp_path / "view.html").read_text(encoding="utf-8")
    assert "<b>" not in page.replace((NIIVUE / "niivue.umd.js").read_text(encoding="utf-8"), "")
    assert "alert(1)</script>" not in page
    assert "\\u003c/script\\u003e\\u003cb\\u003e\\u0026{{script}}" in page


def test_each_case_has_a_name_that_every_disk_takes() -> None:
    assert view_name("sub-01_ses-02") == "view-sub-01_ses-02.html"
    odd = ["a/b", "a:b", "../x", "é", "x" * 300, "x" * 301]
    names = [view_name(one) for one in odd]
    assert len(set(names)) == len(odd)
    assert all(re.fullmatch(r"view-[A-Za-z0-9._-]{1,120}\.html", name) for name in names)


def test_a_fixed_volume_that_is_gone_is_told_and_the_rest_is_shown(a_batch: Path) -> None:
    (a_batch / "case-good-fixed.nrrd").unlink()
    assert _qc(a_batch, "--view", "case-good").exit_code == 0
    page = (a_batch / "view-case-good.html").read_text(encoding="utf-8")
    assert "The fixed volume is not shown" in page and page.count('"nifti"') == 2


def test_volumes_that_are_too_large_are_coarser_and_the_page_says_so(
    a_batch: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def few(image: sitk.Image) -> tuple[int, int, int]:
        return factors_to_fit(image, 2000)

    monkeypatch.setattr(module, "factors_to_fit", few)
    assert _qc(a_batch, "--view", "case-good").exit_code == 0
    said = "The volumes are too large for a page: 2 x 2 x 2 of their 24 x 24 x 24 voxels are shown as one, their mean."
    assert said in (a_batch / "view-case-good.html").read_text(encoding="utf-8")


def test_niivue_is_the_published_build_and_ends_no_script_that_holds_it() -> None:
    content = (NIIVUE / "niivue.umd.js").read_bytes()
    assert hashlib.sha256(content).hexdigest() == "47b896b77ec4a5be3ef1949c33ad393b6f45629921f326c279000bcf51bdb4af"
    assert b"</script" not in content.lower() and b"<!--" not in content


def _oblique(voxels: np.ndarray) -> sitk.Image:
    """A volume of uneven voxels that lies turned and away from the origin."""
    image = sitk.GetImageFromArray(voxels, isVector=voxels.ndim == 4)
    image.SetSpacing((0.7, 1.1, 3.0))
    image.SetOrigin((-12.0, 40.0, 5.5))
    turn = sitk.Euler3DTransform((0.0, 0.0, 0.0), 0.3, -0.2, 0.1)
    image.SetDirection(turn.GetMatrix())
    return image


def _read(content: bytes) -> nibabel.Nifti1Image:
    return nibabel.Nifti1Image.from_bytes(gzip.decompress(content))


def _lps_to_ras(image: sitk.Image, index: tuple[int, int, int]) -> np.ndarray:
    return np.array(image.TransformIndexToPhysicalPoint(index)) * (-1, -1, 1)


def test_every_voxel_lies_where_it_lay() -> None:
    image = _oblique(np.random.default_rng(0).random((4, 5, 6)).astype(np.float32))
    found = _read(nifti_of(image))
    assert found.shape == image.GetSize() and found.get_data_dtype() == np.uint8
    for index in ((0, 0, 0), (5, 0, 0), (0, 4, 0), (2, 3, 3)):
        assert found.affine @ (*index, 1) == pytest.approx([*_lps_to_ras(image, index), 1], abs=1e-4)
        assert found.dataobj[index] == pytest.approx(255 * image[index], abs=0.51)


def test_a_sheared_grid_stays_sheared() -> None:
    image = _oblique(np.zeros((4, 5, 6), np.float32))
    sheared = np.reshape(image.GetDirection(), (3, 3)) @ np.array([[1, 0, 0.2], [0, 1, 0], [0, 0, 0.98]])
    image = sitk.GetImageFromArray(np.zeros((4, 5, 6), np.float32))
    image.SetDirection(sheared.ravel())
    found = _read(nifti_of(image))
    assert found.affine @ (5, 4, 3, 1) == pytest.approx([*_lps_to_ras(image, (5, 4, 3)), 1], abs=1e-4)


def test_colour_is_rgb24_voxel_by_voxel() -> None:
    voxels = np.random.default_rng(1).integers(0, 256, (3, 4, 5, 3), dtype=np.uint8)
    found = _read(nifti_of(_oblique(voxels)))
    assert int(found.header["datatype"]) == 128 and int(found.header["bitpix"]) == 24
    assert found.shape == (5, 4, 3)
    stored = np.asarray(found.dataobj)
    assert np.array_equal(np.stack([stored[name] for name in "RGB"], axis=-1), voxels.transpose(2, 1, 0, 3))


def test_what_is_no_number_or_out_of_range_is_black_or_white() -> None:
    voxels = np.array([[[np.nan, -3.0, 0.5, 7.0]]], np.float32)
    assert np.asarray(_read(nifti_of(sitk.GetImageFromArray(voxels))).dataobj).ravel().tolist() == [0, 0, 128, 255]


@pytest.mark.parametrize("channels", [1, 3])
def test_a_coarser_volume_covers_the_same_place(channels: int) -> None:
    voxels = np.full((4, 6, 8) + ((3,) if channels == 3 else ()), 100, np.uint8)
    image = _oblique(voxels if channels == 3 else voxels.astype(np.float32) / 255)
    found = _read(nifti_of(image, (2, 2, 1)))
    assert found.shape == (4, 3, 4)
    middle = np.array(image.TransformContinuousIndexToPhysicalPoint((3.5, 2.5, 1.5))) * (-1, -1, 1)
    assert (found.affine @ (1.5, 1, 1.5, 1))[:3] == pytest.approx(middle, abs=1e-4)
    stored = np.asarray(found.dataobj)
    assert set((stored["G"] if channels == 3 else stored).ravel().tolist()) == {100}


def test_the_shortest_sides_grow_until_a_volume_fits() -> None:
    image = _oblique(np.zeros((4, 20, 20), np.uint8))
    assert factors_to_fit(image) == (1, 1, 1)
    assert factors_to_fit(image, 500) == (2, 2, 1)
    long = sitk.Image(LONGEST_SIDE + 1, 2, 2, sitk.sitkUInt8)
    assert factors_to_fit(long) == (2, 1, 1)
