"""The methods that the network is compared with."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
import SimpleITK as sitk
import torch
from scipy import ndimage

from CSAFusionLib.errors import InputError
from CSAFusionLib.evaluation import compared_methods, fusion_methods
from CSAFusionLib.evaluation.compared_methods import (
    BUNDLED,
    NetworkMethod,
    by_method,
    by_results,
    by_weights,
    check_names,
    read_results,
)
from CSAFusionLib.evaluation.fusion_methods import (
    BASELINES,
    FusionMethod,
    average,
    baselines_named,
    brighter_average,
    guided_filter,
    joint_bilateral,
    laplacian_pyramid,
    maximum,
    slice_by_slice,
    wavelet,
)
from CSAFusionLib.network.csafusion import CSAFusion
from CSAFusionLib.training.pairs import ImagePair, PairKind
from CSAFusionLib.volumes.pictures import write_picture
from CSAFusionLib.weights.weights_file import read_weights


def test_the_average_is_the_mean_of_both() -> None:
    a, b = np.array([[0.2, 1.0]], np.float32), np.array([[0.6, 0.0]], np.float32)
    np.testing.assert_allclose(average(a, b), [[0.4, 0.5]])


def test_the_brighter_average_adds_seven_tenths_of_each_and_clips() -> None:
    a, b = np.array([[0, 0.2, 0.9]], np.float32), np.array([[0, 0.8, 1]], np.float32)
    fused = brighter_average(a, b)
    np.testing.assert_allclose(fused, [[0, 0.7, 1]], rtol=1e-6)
    assert fused.dtype == np.float32


def test_the_maximum_is_the_brighter_of_both() -> None:
    a, b = np.array([[0.2, 1.0]], np.float32), np.array([[0.6, 0.0]], np.float32)
    np.testing.assert_allclose(maximum(a, b), [[0.6, 1.0]])


def test_the_detail_that_only_one_source_has_comes_through_its_wavelets(
    flat: np.ndarray, chequered: np.ndarray
) -> None:
    inside = np.s_[8:-8, 8:-8]
    np.testing.assert_allclose(wavelet(flat, chequered)[inside], chequered[inside], atol=1e-3)


def test_of_two_flat_sources_the_approximation_is_the_mean() -> None:
    sources = np.full((40, 37), 0.2, np.float32), np.full((40, 37), 0.6, np.float32)
    np.testing.assert_allclose(wavelet(*sources), 0.4, atol=1e-5)


def test_the_detail_that_only_one_source_has_comes_through_whole(flat: np.ndarray, chequered: np.ndarray) -> None:
    np.testing.assert_allclose(laplacian_pyramid(flat, chequered), chequered, atol=1e-6)


def test_of_two_flat_sources_the_base_is_the_mean() -> None:
    sources = np.full((40, 37), 0.2, np.float32), np.full((40, 37), 0.6, np.float32)
    np.testing.assert_allclose(laplacian_pyramid(*sources), 0.4, atol=1e-6)


def test_each_place_takes_the_stronger_detail(flat: np.ndarray, chequered: np.ndarray) -> None:
    left, right = np.indices(flat.shape)[1] < 32, np.indices(flat.shape)[1] >= 32
    weak = 0.5 + (chequered - 0.5) / 4
    a, b = np.where(left, chequered, weak), np.where(right, chequered, weak)
    np.testing.assert_allclose(laplacian_pyramid(a, b)[:, :28], chequered[:, :28], atol=1e-3)
    np.testing.assert_allclose(laplacian_pyramid(a, b)[:, 36:], chequered[:, 36:], atol=1e-3)


def test_the_salient_source_is_taken_whole_where_the_other_is_flat(flat: np.ndarray, chequered: np.ndarray) -> None:
    np.testing.assert_allclose(guided_filter(flat, chequered), chequered, atol=1e-6)


def test_two_flat_sources_are_averaged() -> None:
    sources = np.full((40, 37), 0.2, np.float32), np.full((40, 37), 0.6, np.float32)
    np.testing.assert_allclose(guided_filter(*sources), 0.4, atol=1e-6)


def test_a_weight_map_follows_the_edge_of_its_guide() -> None:
    guide = np.zeros((1, 60, 60))
    guide[..., 30:] = 1
    shifted = np.zeros((1, 60, 60))
    shifted[..., 33:] = 1
    refined = fusion_methods._refined(shifted, guide, radius=7, epsilon=1e-6)[0, 30]
    assert refined[:30].max() < 0.01
    assert refined[30:].min() > 0.49


def test_under_a_flat_guide_a_weight_map_is_smoothed_twice_by_the_mean() -> None:
    weights = np.random.default_rng(0).random((1, 50, 50))
    refined = fusion_methods._refined(weights, np.full((1, 50, 50), 0.3), radius=3, epsilon=0.1)
    twice = ndimage.uniform_filter(ndimage.uniform_filter(weights[0], 7), 7)
    np.testing.assert_allclose(refined[0, 7:-7, 7:-7], twice[7:-7, 7:-7], atol=1e-9)


def test_the_detail_that_only_one_source_has_comes_through(flat: np.ndarray) -> None:
    lines = np.where(np.indices(flat.shape)[1] % 4 < 2, 0.4, 0.6).astype(np.float32)
    inside = np.s_[8:-8, 8:-8]
    np.testing.assert_allclose(joint_bilateral(flat, lines)[inside], lines[inside], atol=0.01)


def test_of_two_flat_sources_the_one_with_more_energy_is_taken() -> None:
    sources = np.full((40, 37), 0.2, np.float32), np.full((40, 37), 0.6, np.float32)
    np.testing.assert_allclose(joint_bilateral(*sources), 0.6, atol=1e-6)


def test_the_filter_follows_its_definition() -> None:
    image, guide = np.random.default_rng(0).random((2, 15, 15), dtype=np.float32)
    down, right = np.mgrid[-6:7, -6:7]
    window = np.s_[1:14, 1:14]  # all that the radius of 6 reaches from the middle pixel
    weights = np.exp(-(down**2 + right**2) / (2 * 3.0**2) - (guide[window] - guide[7, 7]) ** 2 / (2 * 0.05**2))
    expected = (weights * image[window]).sum() / weights.sum()
    assert fusion_methods._filter_jointly(image, guide)[7, 7] == pytest.approx(expected, rel=1e-5)


def test_a_large_edge_belongs_to_the_energy_layer_and_a_dot_to_the_structure_layer() -> None:
    image = np.zeros((64, 64), np.float32)
    image[:, 32:] = 0.8
    image[32, 12] = 0.3
    structure = image - fusion_methods._energy_layer(image)
    assert np.abs(structure[5, 28:36]).max() < 0.02
    assert structure[32, 12] > 0.25


every_method = pytest.mark.parametrize("fuse", BASELINES.values(), ids=BASELINES)


def noise(seed: int, shape: tuple[int, int] = (61, 48)) -> np.ndarray:
    return np.random.default_rng(seed).random(shape, dtype=np.float32)


@every_method
@pytest.mark.parametrize("shape", [(61, 48), (16, 16), (130, 33)])
def test_the_result_is_like_the_sources(fuse: FusionMethod, shape: tuple[int, int]) -> None:
    fused = fuse(noise(0, shape), noise(1, shape))
    assert (fused.shape, fused.dtype) == (shape, np.float32)
    assert 0 <= fused.min() < fused.max() <= 1


@pytest.mark.parametrize("name", sorted({*BASELINES} - {"brighter average"}))
def test_a_source_fused_with_itself_stays_as_it_is(name: str) -> None:
    np.testing.assert_allclose(BASELINES[name](noise(0), noise(0)), noise(0), atol=1e-5)


@every_method
def test_no_source_is_preferred_for_its_place(fuse: FusionMethod) -> None:
    np.testing.assert_allclose(fuse(noise(0), noise(1)), fuse(noise(1), noise(0)), atol=1e-5)


@every_method
def test_black_stays_black(fuse: FusionMethod) -> None:
    black = np.zeros((32, 32), np.float32)
    np.testing.assert_array_equal(fuse(black, black), black)


def test_methods_are_found_by_name() -> None:
    named = baselines_named(["maximum", "average"])
    assert named == {"maximum": BASELINES["maximum"], "average": BASELINES["average"]}


def test_what_was_named_ins_is_labelled_as_a_reimplementation() -> None:
    assert list(baselines_named(["INS"])) == ["INS (reimplemented)"]


def test_a_name_that_is_none_is_refused_with_the_names_there_are() -> None:
    choice = "no baseline named 'median'; choose from average, brighter average, maximum, "
    with pytest.raises(InputError, match=choice):
        baselines_named(["average", "median"])


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

    monkeypatch.setattr(compared_methods, "load_network", load)
    monkeypatch.setattr(compared_methods, "NetworkMethod", lambda *arguments: arguments)
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
