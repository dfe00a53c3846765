"""The methods of a comparison."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
import SimpleITK as sitk
import torch

from CSAFusionLib.errors import InputError
from CSAFusionLib.evaluation import compared_methods as module
from CSAFusionLib.evaluation.compared_methods import (
    BUNDLED,
    NetworkMethod,
    by_method,
    by_results,
    by_weights,
    check_names,
    read_results,
)
from CSAFusionLib.evaluation.fusion_methods import maximum, slice_by_slice
from CSAFusionLib.network.csafusion import CSAFusion
from CSAFusionLib.training.pairs import ImagePair, PairKind
from CSAFusionLib.volumes.pictures import write_picture
from CSAFusionLib.weights.weights_file import read_weights


def test_the_network_gets_a_as_its_first_channel() -> None:
    torch.manual_seed(0)
    network = CSAFusion().eval()
    a, b = np.random.default_rng(0).random((2, 32, 40), dtype=np.float32)
    expected = network(torch.from_numpy(np.stack([a, b]))[None])[0, 0].detach().numpy()
    np.testing.assert_allclose(NetworkMethod(network)(a, b), expected, atol=1e-6)


def test_the_slices_of_a_volume_share_their_gains_and_single_slices_do_not() -> None:
    torch.manual_seed(0)
    method = NetworkMethod(CSAFusion().eval())
    a, b = np.random.default_rng(0).random((2, 3, 32, 40), dtype=np.float32)
    alone = slice_by_slice(method)(a, b, 1)
    np.testing.assert_allclose(method.fuse_volume(a, b, 1000), alone, atol=1e-6)
    assert np.abs(method.fuse_volume(a, b, 1) - alone).max() > 1e-4


def test_a_balance_of_minus_one_leaves_b_out() -> None:
    method = NetworkMethod(CSAFusion().eval(), balance=-1)
    a = np.random.default_rng(0).random((32, 40), dtype=np.float32)
    assert not method(np.zeros_like(a), a).any()


def a_pair(kind: PairKind, name: str) -> ImagePair:
    black = np.zeros((20, 24), np.float32)
    return ImagePair(a=black, b=black, kind=kind, name=name)


CT, SPECT = a_pair(PairKind.CT_MRI, "33005"), a_pair(PairKind.SPECT_MRI, "22005")


def save(path: Path, value: int, shape: tuple[int, ...] = (20, 24)) -> None:
    path.parent.mkdir(parents=True, exist_ok=True)
    write_picture(np.full(shape, value, np.uint8), path)


def test_pictures_are_found_by_kind_and_pair(tmp_path: Path) -> None:
    save(tmp_path / "CT-MRI" / "33005.png", 51)
    save(tmp_path / "SPECT-MRI" / "22005.png", 102)
    results = read_results(tmp_path, [CT, SPECT])
    assert results[PairKind.CT_MRI, "33005"] == pytest.approx(np.full((20, 24), 0.2))
    assert results[PairKind.SPECT_MRI, "22005"] == pytest.approx(np.full((20, 24), 0.4))


def test_of_one_kind_they_may_lie_in_the_folder_itself(tmp_path: Path) -> None:
    save(tmp_path / "33005.png", 51)
    assert read_results(tmp_path, [CT])[PairKind.CT_MRI, "33005"].max() == pytest.approx(0.2)


def test_of_several_kinds_they_may_not(tmp_path: Path) -> None:
    save(tmp_path / "33005.png", 51)
    save(tmp_path / "22005.png", 51)
    with pytest.raises(InputError, match=r"CT-MRI/33005\.png' does not exist"):
        read_results(tmp_path, [CT, SPECT])


def test_colour_is_read_as_luminance(tmp_path: Path) -> None:
    (tmp_path / "SPECT-MRI").mkdir()
    write_picture(np.full((20, 24, 3), (200, 100, 50), np.uint8), tmp_path / "SPECT-MRI" / "22005.png")
    (fused,) = read_results(tmp_path, [SPECT]).values()
    assert fused == pytest.approx(np.full((20, 24), (0.299 * 200 + 0.587 * 100 + 0.114 * 50) / 255), abs=1e-5)


def test_another_size_is_refused_with_both_sizes(tmp_path: Path) -> None:
    save(tmp_path / "33005.png", 51, (24, 20))
    with pytest.raises(InputError, match=r"33005\.png' and its sources are 20 x 24 and 24 x 20 pixels"):
        read_results(tmp_path, [CT])


def test_a_picture_of_16_bits_is_refused(tmp_path: Path) -> None:
    sitk.WriteImage(sitk.GetImageFromArray(np.full((20, 24), 30000, np.uint16)), str(tmp_path / "33005.png"))
    with pytest.raises(InputError, match=r"33005\.png' has more than 8 bits"):
        read_results(tmp_path, [CT])


def test_a_method_fuses_every_kind_of_pair(pairs: list[ImagePair]) -> None:
    method = by_method("maximum", maximum)
    for pair in pairs:
        np.testing.assert_array_equal(method.fuse(pair), np.maximum(pair.a, pair.b))
    assert method.method_for(PairKind.PET_MRI) is maximum


def test_the_bundled_weights_follow_the_kind_of_the_pair(monkeypatch: pytest.MonkeyPatch) -> None:
    loaded: list[str] = []

    def load(name: str) -> tuple[str, None]:
        loaded.append(name)
        return name, None

    monkeypatch.setattr(module, "load_network", load)
    monkeypatch.setattr(module, "NetworkMethod", lambda *arguments: arguments)
    method = by_weights("CSAFusion", BUNDLED, "cuda", 0.3)
    kinds = (PairKind.CT_MRI, PairKind.SPECT_MRI, PairKind.PET_MRI, PairKind.T1_T2, PairKind.CT_MRI)
    chosen = ["ct-mr", "spect-mr", "pet-mr", "t1-t2", "ct-mr"]
    assert [method.method_for(kind) for kind in kinds] == [(name, "cuda", 0.3) for name in chosen]
    assert loaded == ["ct-mr", "spect-mr", "pet-mr", "t1-t2"]


def test_a_folder_has_weights_for_each_kind(weights_file: Path, tmp_path: Path, pairs: list[ImagePair]) -> None:
    (tmp_path / "ct-mr.safetensors").write_bytes(weights_file.read_bytes())
    method = by_weights("new", tmp_path)
    np.testing.assert_array_equal(method.fuse(pairs[0]), by_weights("mine", weights_file).fuse(pairs[0]))
    with pytest.raises(InputError, match=r"t1-t2\.safetensors"):
        method.fuse(pairs[3])


def test_a_weights_file_fuses_every_kind(weights_file: Path, pairs: list[ImagePair]) -> None:
    method = by_weights("mine", weights_file)
    fused = method.fuse(pairs[0])
    assert fused.shape == pairs[0].a.shape
    assert not np.array_equal(fused, method.fuse(pairs[1]))


def test_a_balance_gives_a_source_more_strength_up_to_leaving_the_other_out(
    weights_file: Path, pairs: list[ImagePair]
) -> None:
    pair = pairs[0]
    a_alone = by_weights("A", weights_file, balance=-1)
    network = read_weights(weights_file)[0].eval()
    with torch.inference_mode():
        gains = network.gains(torch.from_numpy(np.stack([pair.a, pair.b])[None]))[0].numpy()
    np.testing.assert_allclose(a_alone.fuse(pair), np.clip(2 * gains[0] * pair.a, 0, 1), atol=1e-6)
    shifted = by_weights("B", weights_file, balance=0.5)
    expected = np.clip(0.5 * gains[0] * pair.a + 1.5 * gains[1] * pair.b, 0, 1)
    np.testing.assert_allclose(shifted.fuse(pair), expected, atol=1e-6)
    assert shifted.about.endswith("balance +0.5")


def test_weights_that_are_not_there_are_refused(tmp_path: Path) -> None:
    with pytest.raises(InputError, match="does not exist"):
        by_weights("mine", tmp_path / "no.safetensors")


def test_saved_results_are_looked_up_by_their_pair_and_fuse_nothing_else(
    pairs: list[ImagePair], tmp_path: Path
) -> None:
    for pair in pairs:
        (tmp_path / pair.kind.value).mkdir(exist_ok=True)
        write_picture((255 * pair.b).round().astype(np.uint8), tmp_path / pair.kind.value / f"{pair.name}.png")
    method = by_results("theirs", tmp_path, pairs)
    np.testing.assert_allclose(method.fuse(pairs[3]), pairs[3].b, atol=0.002)
    assert method.method_for is None


def test_two_methods_of_one_name_are_refused() -> None:
    names = ("average", "mine", "mine")
    with pytest.raises(InputError, match="Two methods are named 'mine'"):
        check_names([by_method(name, maximum) for name in names])
    check_names([by_method(name, maximum) for name in names[:2]])
