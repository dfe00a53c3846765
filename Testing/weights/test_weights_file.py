"""Weights files: what is refused, what is bundled, and whether the bundled weights are steady from slice to slice."""

from __future__ import annotations

import json
import shutil
import subprocess
import sys
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
import torch
from safetensors import safe_open
from safetensors.torch import load_file, save_file

from CSAFusionLib.errors import InputError
from CSAFusionLib.evaluation.clinical.consistency import flicker_for_detail, read_slabs
from CSAFusionLib.evaluation.clinical.lesions import insert, place_lesions
from CSAFusionLib.evaluation.compared_methods import BUNDLED, NetworkMethod, by_weights, weights_for
from CSAFusionLib.evaluation.fusion_methods import FusionMethod, slice_by_slice
from CSAFusionLib.geometry.planes import Plane, to_slices
from CSAFusionLib.intensity.modality import Modality
from CSAFusionLib.metrics.information_metrics import ssim, vif
from CSAFusionLib.network.configuration import CONFIGURATIONS, NetworkConfiguration
from CSAFusionLib.network.csafusion import CSAFusion
from CSAFusionLib.training.dataset import read_dataset
from CSAFusionLib.training.pairs import PairKind, mappings_of, read_slice_pairs
from CSAFusionLib.volumes.reading import read_volume
from CSAFusionLib.weights import weights_file as module
from CSAFusionLib.weights.weights_file import (
    average_weights,
    bundled_checksums,
    choose_weights,
    file_sha256,
    load_network,
    read_weights,
    save_weights,
    tensors_sha256,
)


@pytest.fixture
def weights_file(tmp_path: Path) -> Path:
    torch.manual_seed(0)
    path = tmp_path / "mine.safetensors"
    save_weights(CSAFusion(CONFIGURATIONS["no-attention"]), path, about={"seed": "0"})
    return path


def test_the_same_weights_give_the_same_file(tmp_path: Path) -> None:
    network = CSAFusion(CONFIGURATIONS["no-attention"])
    files = [tmp_path / f"{number}.safetensors" for number in range(4)]
    for file in files:
        save_weights(network, file, about=dict.fromkeys("fedcba", "é"))
    assert len({file.read_bytes() for file in files}) == 1
    with safe_open(files[0], "pt") as opened:
        assert opened.metadata()["a"] == "é"
    read = load_file(files[0])
    assert all(torch.equal(tensor, read[name]) for name, tensor in network.state_dict().items())


@pytest.mark.parametrize("changes", [{}, {"adaptive": False}, {"token": 4}, {"token": 0}])
def test_what_is_read_computes_what_was_saved(tmp_path: Path, changes: dict[str, bool | int]) -> None:
    torch.manual_seed(0)
    saved = CSAFusion(NetworkConfiguration(channels=8, **changes)).eval()
    save_weights(saved, tmp_path / "w.safetensors")
    read, configuration = read_weights(tmp_path / "w.safetensors")
    x = torch.rand(1, 2, 32, 32)
    assert configuration == saved.configuration
    assert not read.training
    torch.testing.assert_close(read(x), saved(x), rtol=0, atol=1e-6)


def test_the_configuration_comes_from_the_file(weights_file: Path) -> None:
    assert read_weights(weights_file)[1] == CONFIGURATIONS["no-attention"]


FIRST = {"adaptive", "attention", "channels", "dual_fusion", "window"}
"""The entries of a configuration as the first version wrote it; gains came next, then ``pointwise`` and ``token``."""


@pytest.mark.parametrize("entries", [FIRST, FIRST | {"gains"}, FIRST | {"gains", "pointwise", "token"}])
@pytest.mark.parametrize("has_one_checksum", [True, False])
def test_weights_of_the_versions_before_load_and_compute_the_same(
    weights_file: Path, entries: set[str], has_one_checksum: bool
) -> None:
    with safe_open(weights_file, "pt") as file:
        metadata = file.metadata()
    written = {name: value for name, value in json.loads(metadata["configuration"]).items() if name in entries}
    former = metadata | {"configuration": json.dumps(written, sort_keys=True), "loss_weights": '{"balance": 1.0}'}
    former["sha256"] = module._content_sha256(former["configuration"], former["tensors_sha256"])
    if has_one_checksum:
        del former["sha256"]
    now, _ = read_weights(weights_file)
    save_file(load_file(weights_file), weights_file, metadata=former)
    then, configuration = read_weights(weights_file)
    x = torch.rand(1, 2, 32, 32)
    assert configuration == CONFIGURATIONS["no-attention"]
    torch.testing.assert_close(then(x), now(x), rtol=0, atol=0)


def test_one_changed_byte_is_noticed(weights_file: Path) -> None:
    content = bytearray(weights_file.read_bytes())
    content[-100] ^= 1
    weights_file.write_bytes(content)
    with pytest.raises(InputError, match=r"mine\.safetensors is damaged"):
        read_weights(weights_file)


def test_a_cut_off_file_is_refused(weights_file: Path) -> None:
    weights_file.write_bytes(weights_file.read_bytes()[:-1000])
    with pytest.raises(InputError, match="cannot be read as safetensors"):
        read_weights(weights_file)


def test_another_network_s_safetensors_are_refused(tmp_path: Path) -> None:
    save_file({"layer": torch.zeros(3)}, tmp_path / "other.safetensors")
    with pytest.raises(InputError, match="not a CSAFusion weights file"):
        read_weights(tmp_path / "other.safetensors")


def test_tensors_that_do_not_fit_the_configuration_are_refused(weights_file: Path, tmp_path: Path) -> None:
    tensors = load_file(weights_file)
    tensors.pop("output.bias")
    metadata = {"format": "csafusion-1", "configuration": "{}", "tensors_sha256": tensors_sha256(tensors)}
    save_file(tensors, tmp_path / "old.safetensors", metadata=metadata)
    with pytest.raises(InputError, match="does not fit"):
        read_weights(tmp_path / "old.safetensors")


def _rewritten(path: Path, **changes: object) -> Path:
    """The file with other metadata, or other tensors, whose checksum fits."""
    with safe_open(path, framework="pt") as file:
        metadata, tensors = file.metadata(), {name: file.get_tensor(name) for name in file.keys()}  # noqa: SIM118
    tensors = changes.pop("tensors", tensors)
    metadata |= changes
    save_file(tensors, path, metadata=metadata)
    return path


def test_a_changed_configuration_is_noticed_also_where_all_shapes_fit(weights_file: Path) -> None:
    with safe_open(weights_file, framework="pt") as file:
        configuration = file.metadata()["configuration"]
    changed = configuration.replace('"window": 8', '"window": 4')
    assert changed != configuration
    with pytest.raises(InputError, match=r"mine\.safetensors is damaged"):
        read_weights(_rewritten(weights_file, configuration=changed))


@pytest.mark.parametrize(
    "configuration", ["", "null", "[]", "{", "{}x", '{"channels": "8"}', '{"gains": 1}', '{"window": 1e9}', "[" * 10**5]
)
def test_a_configuration_of_wrong_types_is_refused_in_a_sentence(weights_file: Path, configuration: str) -> None:
    tensors = load_file(weights_file)
    metadata = {"format": "csafusion-1", "configuration": configuration, "tensors_sha256": tensors_sha256(tensors)}
    save_file(tensors, weights_file, metadata=metadata)
    with pytest.raises(InputError, match="holds no usable configuration"):
        read_weights(weights_file)


def test_a_network_too_large_for_any_memory_is_not_built(weights_file: Path) -> None:
    tensors = load_file(weights_file)
    metadata = {
        "format": "csafusion-1", "configuration": '{"channels": 256}', "tensors_sha256": tensors_sha256(tensors)
    }  # fmt: skip
    save_file(tensors, weights_file, metadata=metadata)
    with pytest.raises(InputError, match="does not fit"):
        read_weights(weights_file)


@pytest.mark.parametrize("kind", [torch.float16, torch.bfloat16, torch.float64])
def test_tensors_of_another_type_do_not_fit(weights_file: Path, kind: torch.dtype) -> None:
    tensors = {name: tensor.to(kind) for name, tensor in load_file(weights_file).items()}
    metadata = {"format": "csafusion-1", "configuration": "{}", "tensors_sha256": tensors_sha256(tensors)}
    save_file(tensors, weights_file, metadata=metadata)
    with pytest.raises(InputError, match="does not fit"):
        read_weights(weights_file)


def test_weights_that_are_not_finite_are_refused(tmp_path: Path) -> None:
    network = CSAFusion()
    network.output.weight.data[0] = float("nan")
    save_weights(network, tmp_path / "nan.safetensors")
    with pytest.raises(InputError, match=r"nan\.safetensors holds values that are not finite \(in output\.weight\)"):
        read_weights(tmp_path / "nan.safetensors")


def test_a_missing_file_is_named(tmp_path: Path) -> None:
    with pytest.raises(InputError, match=r"gone\.safetensors' does not exist"):
        read_weights(tmp_path / "gone.safetensors")


def test_reading_weights_does_not_load_pytorch_s_compiler() -> None:
    code = (
        "import sys; from CSAFusionLib.weights.weights_file import load_network; load_network('t1-t2'); "
        "sys.exit('torch._dynamo' in sys.modules or 'sympy' in sys.modules)"
    )
    assert subprocess.run([sys.executable, "-c", code], check=False).returncode == 0


SMALL = NetworkConfiguration(channels=8)


def networks() -> tuple[CSAFusion, CSAFusion]:
    torch.manual_seed(0)
    return CSAFusion(SMALL).eval(), CSAFusion(SMALL).eval()


def test_every_weight_lies_between_the_two() -> None:
    first, second = networks()
    averaged = average_weights(first, second, 0.25).state_dict()
    for name, value in first.state_dict().items():
        torch.testing.assert_close(averaged[name].double(), 0.75 * value.double() + 0.25 * second.state_dict()[name])


@pytest.mark.parametrize(("share", "same"), [(0, 0), (1, 1)])
def test_all_of_one_is_that_one(share: float, same: int) -> None:
    both, x = networks(), torch.rand(1, 2, 32, 32)
    with torch.inference_mode():
        torch.testing.assert_close(average_weights(*both, share)(x), both[same](x))


@pytest.mark.parametrize("share", [-0.1, 1.1, float("nan")])
def test_a_share_out_of_range_is_refused(share: float) -> None:
    with pytest.raises(InputError, match="between 0 and 1"):
        average_weights(*networks(), share)


def test_different_networks_are_refused() -> None:
    first, _ = networks()
    with pytest.raises(InputError, match="different networks"):
        average_weights(first, CSAFusion(NetworkConfiguration(channels=8, attention=False)), 0.5)


FOLDER = Path(module.__file__).parent


def test_every_bundled_file_is_listed_matches_its_checksum_and_has_a_card() -> None:
    files = {path.stem: path for path in FOLDER.glob("*.safetensors")}
    assert files.keys() == bundled_checksums().keys()
    for name, path in files.items():
        assert file_sha256(path) == bundled_checksums()[name]
        assert (FOLDER / f"{name}.md").is_file()


def test_all_bundled_weights_together_are_small() -> None:
    assert sum(path.stat().st_size for path in FOLDER.glob("*.safetensors")) < 8_000_000


@pytest.mark.parametrize("first", Modality)
@pytest.mark.parametrize("second", Modality)
def test_every_two_modalities_get_weights_in_either_order(first: Modality, second: Modality) -> None:
    assert choose_weights(first, second) == choose_weights(second, first)
    network, info = load_network(choose_weights(first, second))
    assert not network.training
    assert info.sha256 == bundled_checksums()[info.name]


def test_weights_that_are_not_there_are_named_with_those_that_are() -> None:
    with pytest.raises(
        InputError, match=f"no weights named ct-pet; choose .*{choose_weights(Modality.CT, Modality.MR)}"
    ):
        load_network("ct-pet")


def test_a_user_s_own_file_is_loaded_by_its_path(tmp_path: Path) -> None:
    name = choose_weights(Modality.CT, Modality.MR)
    mine = shutil.copy(FOLDER / f"{name}.safetensors", tmp_path / "mine.safetensors")
    info = load_network(mine)[1]
    assert info.name == "mine.safetensors"
    assert info.sha256 == bundled_checksums()[name]


def test_a_bundled_file_that_is_not_the_listed_one_is_refused(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    name = choose_weights(Modality.CT, Modality.MR)
    shutil.copy(FOLDER / f"{name}.safetensors", tmp_path)
    (tmp_path / "SHA256SUMS").write_text(f"{'0' * 64}  {name}.safetensors\n")
    monkeypatch.setattr(module, "_FOLDER", tmp_path)
    monkeypatch.setattr(module, "_CHECKSUMS", tmp_path / "SHA256SUMS")
    with pytest.raises(InputError, match="do not match their SHA-256"):
        load_network(name)


@pytest.mark.parametrize(
    ("kind", "modality"),
    [(PairKind.CT_MRI, Modality.CT), (PairKind.SPECT_MRI, Modality.SPECT), (PairKind.PET_MRI, Modality.PET)],
)
def test_bundled_weights_beat_plain_averaging_on_patients_not_trained_on(
    shared_data: Path, kind: PairKind, modality: Modality
) -> None:
    network, _ = load_network(choose_weights(modality, Modality.MR))
    gains = []
    for pair in read_slice_pairs(read_dataset(shared_data).slices[kind], kind, "val")[::6]:
        sources = torch.from_numpy(np.stack([pair.a, pair.b]))[:, None]
        with torch.inference_mode():
            pictures = network(sources.movedim(1, 0)), sources.mean(dim=0, keepdim=True)
            ours, average = (
                [float(metric(picture.expand_as(sources), sources).sum()) for metric in (ssim, vif)]
                for picture in pictures
            )
        gains.append(np.subtract(ours, average))
    assert (np.mean(gains, axis=0) > 0).all()


@torch.inference_mode()
def test_a_fused_t1_and_t2_tells_tissues_as_both_do_and_keeps_the_sign_of_either() -> None:
    network, _ = load_network("t1-t2")

    def fused(t1: float, t2: float) -> float:
        patch = torch.tensor([t1, t2]).reshape(1, 2, 1, 1).expand(1, 2, 32, 32)
        return float(network(patch)[0, 0, 8:-8, 8:-8].mean())

    white, grey, infarct, fluid = (fused(*values) for values in ((0.71, 0.31), (0.53, 0.42), (0.4, 0.75), (0.1, 1.0)))
    assert grey + 0.03 < white < infarct - 0.2
    assert infarct < fluid
    assert fused(0.81, 0.31) > white + 0.03
    assert fused(0.53, 0.52) > grey + 0.03


@pytest.mark.parametrize("kind", [PairKind.CT_MRI, PairKind.SPECT_MRI, PairKind.PET_MRI])
def test_shared_gains_are_steadier_than_slices_alone_and_at_most_five_percent_above_averaging(
    kind: PairKind, shared_data: Path, tmp_path: Path
) -> None:
    dataset = read_dataset(shared_data)
    quick = replace(dataset, volumes=[pair for pair in dataset.volumes if not pair.name.startswith("pyapetnet")])
    method = by_weights("CSAFusion", BUNDLED)
    pointwise = load_network(weights_for(BUNDLED, kind))[0].configuration.pointwise
    alone = slice_by_slice(method.method_for(kind))
    for slab in read_slabs(quick, [kind], registered=tmp_path):
        a, b = slab.a[:8], slab.b[:8]
        average, shared, own = (
            flicker_for_detail(a, b, fused)
            for fused in (
                (a + b) / 2,
                method.volume_for(kind)(a, b, slab.spacing),
                alone(a, b, slab.spacing),
            )
        )
        # Of a pointwise network only the little that is local is shared, which may go either way.
        assert shared < own or pointwise, slab.name
        assert shared <= 1.05 * average, slab.name


BALANCES = (-0.6, -0.3, 0, 0.3, 0.6)


@pytest.mark.parametrize("kind", PairKind)
def test_balance_raises_what_one_source_shows_and_lowers_what_the_other_does(shared_data: Path, kind: PairKind) -> None:
    network, _ = load_network(weights_for(BUNDLED, kind))
    sources = a_real_slice(shared_data, kind)
    methods = [NetworkMethod(network, balance=balance) for balance in BALANCES]
    of_a, of_b = ([contrast_of_lesions(method, sources, side) for method in methods] for side in (0, 1))
    # Of lesions that one source alone shows: what both show can rise or fall with either.
    assert (np.diff(of_a) < -0.05).all()
    assert (np.diff(of_b) > 0).all()
    assert of_b[0] < of_a[0] - 0.4
    assert of_a[-1] < of_b[-1] - 0.4


def a_real_slice(shared_data: Path, kind: PairKind) -> tuple[np.ndarray, np.ndarray]:
    """Both sources of a pair that nothing was trained on, (H, W) in [0, 1]."""
    if kind is not PairKind.T1_T2:
        pairs = read_slice_pairs(read_dataset(shared_data).slices[kind], kind, "val")
        middle = pairs[len(pairs) // 2]
        return middle.a, middle.b
    volumes = [read_volume(shared_data / "volumes" / "stroke" / f"{name}.nii.gz") for name in ("T1", "T2")]
    a, b = (
        mapping(to_slices(volume.image, Plane.AXIAL)[70])
        for mapping, volume in zip(mappings_of(kind, *volumes), volumes, strict=True)
    )
    return a, b


def contrast_of_lesions(fuse: FusionMethod, sources: tuple[np.ndarray, np.ndarray], side: int) -> float:
    """What is left, when fused, of the contrast of lesions in one of the sources; 1 is all, 0 is nothing."""
    lesions = place_lesions(sources[side], -1)  # dark: no strength brings them to white, where they would be clipped
    marked = list(sources)
    marked[side] = insert(lesions, sources[side])
    change = fuse(*marked) - fuse(*sources)
    return float(np.mean([(one.inside(change).mean() - one.ring(change).mean()) / one.contrast for one in lesions]))
