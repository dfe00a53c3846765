"""The bundled weights on real volumes: do they run as steadily from slice to slice as plain averaging?"""

from __future__ import annotations

import shutil
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
import torch

from CSAFusionLib.errors import InputError
from CSAFusionLib.evaluation.clinical.consistency import flicker_for_detail, read_slabs
from CSAFusionLib.evaluation.compared_methods import BUNDLED, by_weights, weights_for
from CSAFusionLib.evaluation.fusion_methods import slice_by_slice
from CSAFusionLib.intensity.modality import Modality
from CSAFusionLib.metrics.information_metrics import ssim, vif
from CSAFusionLib.training.dataset import read_dataset
from CSAFusionLib.training.pairs import PairKind, read_slice_pairs
from CSAFusionLib.weights import catalogue
from CSAFusionLib.weights.catalogue import bundled_checksums, choose_weights, load_network
from CSAFusionLib.weights.weights_file import file_sha256

FOLDER = Path(catalogue.__file__).parent


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
    monkeypatch.setattr(catalogue, "_FOLDER", tmp_path)
    monkeypatch.setattr(catalogue, "_CHECKSUMS", tmp_path / "SHA256SUMS")
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
