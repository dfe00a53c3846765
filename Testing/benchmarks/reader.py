"""The reader's table: what a radiologist needs of a fused volume, for several sets of weights side by side.

    python -m Testing.benchmarks.reader ../shared/data --weights old=CSAFusion --weights new=runs/weights
    python -m Testing.benchmarks.reader ../shared/data --only stroke,rire --weights runs/t1-t2/best.safetensors
    python -m Testing.benchmarks.reader ../shared/data --only stroke --beside sources,pointwise,optimised

WEIGHTS is a name of bundled weights, a file, a folder that holds t1-t2.safetensors, ct-mr.safetensors and so on, or
CSAFusion for the bundled weights that fit each pair. Average and maximum are in the table too; of colour, the overlay.
Beside them on demand: both sources, as if each were the fused volume; what the pointwise part of each set of weights
gives alone, which is exactly one function of the two source values; and of T1 and T2 the functions that the model
observer sees lesions best by in the training slices, any one, and one that rises with both sources.
Every volume goes through the whole of `csafusion fuse` but for the registration. The second half of the table is of
volumes that no setting was chosen on: the second visit of patient12, the averages avg152, spm_PET, scct, and a ball on
the other side of the head.
"""

from __future__ import annotations

import argparse
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from functools import partial
from pathlib import Path

import numpy as np
import SimpleITK as sitk
import torch

from CSAFusionLib.evaluation.clinical.consistency import (
    bottom_to_top_drift,
    flicker_for_detail,
    front_to_back_drift,
    head_of,
    quarter_means,
    similarity_by_slice,
    tissue_inconsistency,
)
from CSAFusionLib.evaluation.clinical.fidelity import colour_fidelity, contrast_to_noise, kept_contrast
from CSAFusionLib.evaluation.compared_methods import BUNDLED, ComparedMethod, by_method, by_weights, weights_for
from CSAFusionLib.evaluation.comparison import middles_of_equal_parts
from CSAFusionLib.evaluation.fusion_methods import FusionMethod, average, maximum
from CSAFusionLib.evaluation.observer import CONTRASTS, LEARNT, RISING, fused_by, optimised_table
from CSAFusionLib.fusion.colour import apply_colour_table
from CSAFusionLib.fusion.pipeline import fuse_volumes
from CSAFusionLib.fusion.settings import FusionSettings
from CSAFusionLib.geometry.field_of_view import resample_to_grid
from CSAFusionLib.geometry.planes import Plane, from_slices, to_slices
from CSAFusionLib.intensity.mapping import IntensityMapping, find_mapping
from CSAFusionLib.intensity.modality import Modality
from CSAFusionLib.registration.quality.grading import Grade, Quality
from CSAFusionLib.registration.registration import Method, Registration
from CSAFusionLib.training.dataset import read_dataset
from CSAFusionLib.training.pairs import PairKind, mappings_of, read_pairs, registered_onto
from CSAFusionLib.training.pointwise_start import PointwiseOnly
from CSAFusionLib.volumes.reading import read_volume
from CSAFusionLib.volumes.volume import Volume
from CSAFusionLib.weights.weights_file import load_network
from Testing.benchmarks.reader_regions import Regions, find_regions, with_blood

TABLE = "hot-iron"
TRAINS_ON = 40
"""Slices that a function is optimised on, as many as the observer of `csafusion evaluate` is trained on."""
Row = tuple[str, str]
Rows = Iterator[Row]
# A pair as the rows see it: both sources (S, H, W) in [0, 1], and what fuses the two volumes to slices.
Fuse = Callable[["Pair"], np.ndarray]


@dataclass(frozen=True)
class Pair:
    """Two volumes on one grid; ``a`` and ``b`` are their slices in [0, 1], CT, PET, SPECT or T1 first."""

    kind: PairKind
    volume_a: Volume
    volume_b: Volume
    a: np.ndarray
    b: np.ndarray


def make_pair(kind: PairKind, volume_a: Volume, volume_b: Volume, *, grid_is_a: bool) -> Pair:
    """Bring both volumes onto the grid of one of them, each mapped as `csafusion fuse` does."""
    grid = (volume_a if grid_is_a else volume_b).image
    mappings = mappings_of(kind, volume_a, volume_b)
    a, b = (mapped(volume, mapping, grid) for volume, mapping in zip((volume_a, volume_b), mappings, strict=True))
    return Pair(kind, volume_a, volume_b, a, b)


def mapped(volume: Volume, mapping: IntensityMapping, grid: sitk.Image) -> np.ndarray:
    """Return the axial slices (S, H, W) in [0, 1] of a volume on a grid."""
    lowest = float(sitk.GetArrayViewFromImage(volume.image).min())
    return mapping(to_slices(resample_to_grid(volume.image, grid, sitk.Transform(), lowest), Plane.AXIAL))


def fuse_with(weights: str, pair: Pair, table: str | None = None) -> np.ndarray:
    """Fuse a pair as a user does; slices (S, H, W), or (S, H, W, 3) in colour, from 0 to 1."""
    known = Registration(
        sitk.Transform(3, sitk.sitkIdentity), Method.NONE, None, 0.0, quality=Quality(Grade.GOOD, "one grid")
    )
    # The MR gives the grid; of two MR the T1.
    order = 1 if pair.kind is PairKind.T1_T2 else -1
    fixed, moving = (pair.volume_a, pair.volume_b)[::order]
    modalities = pair.kind.modalities[::order]
    settings = FusionSettings(
        weights=weights_for(weights, pair.kind),
        plane=Plane.AXIAL,
        colour_table=table,
        fixed_modality=modalities[0],
        moving_modality=modalities[1],
    )
    fused = to_slices(fuse_volumes(fixed, moving, settings, registration=known).fused, Plane.AXIAL)
    return fused / 255 if fused.dtype == np.uint8 else fused


def pointwise_alone(weights: str, pair: Pair) -> np.ndarray:
    """Fuse a pair by the pointwise part of weights alone; slices (S, H, W) from 0 to 1."""
    network = load_network(weights_for(weights, pair.kind))[0]
    if not network.configuration.pointwise:
        raise SystemExit(f"The weights {weights} for {pair.kind.value} have no pointwise part; leave it out.")
    sources = torch.from_numpy(np.stack([pair.a, pair.b], axis=1).astype(np.float32))
    with torch.inference_mode():
        return np.concatenate([PointwiseOnly(network.pointwise)(one)[:, 0].numpy() for one in sources.split(1)])


def optimised(data: Path, registered: Path) -> dict[str, Fuse]:
    """What fuses a T1 and a T2 by functions optimised for the model observer on training slices."""
    pairs = read_pairs(read_dataset(data), [PairKind.T1_T2], "train", registered=registered)
    pairs = middles_of_equal_parts(pairs, TRAINS_ON)

    def fuse(pair: Pair, method: FusionMethod) -> np.ndarray:
        return np.stack([method(a, b) for a, b in zip(pair.a, pair.b, strict=True)])

    return {
        name: partial(fuse, method=fused_by(optimised_table(pairs, CONTRASTS, rising=rising)))
        for name, rising in ((LEARNT, False), (RISING, True))
    }


def by_name(words: list[str], beside: set[str]) -> dict[str, Fuse]:
    """What fuses a pair, by its name: two baselines, then every set of weights, and what is asked for beside them."""
    methods: dict[str, Fuse] = {"A": lambda pair: pair.a, "B": lambda pair: pair.b} if "sources" in beside else {}
    methods |= {
        "average": lambda pair: average(pair.a, pair.b),
        "maximum": lambda pair: maximum(pair.a, pair.b),
    }
    for word in words:
        name, _, weights = word.rpartition("=")
        methods[name or Path(word).stem] = partial(fuse_with, weights)
        if "pointwise" in beside:
            methods[f"{name or Path(word).stem}, pointwise part"] = pointwise_of(weights)
    return methods


def pointwise_of(weights: str) -> Fuse:
    """What fuses a pair by the pointwise part of weights."""
    return lambda pair: pointwise_alone(weights, pair)


def brain_rows(pair: Pair, regions: Regions, fused: np.ndarray) -> Rows:
    """The rows of a T1 and a T2."""
    a, b = pair.a, pair.b
    kept = [kept_contrast(fused, a, b, *lesion) for lesion in regions.lesions]
    if kept:
        yield "lesions, CNR over the better source's", " ".join(f"{value:.2f}" for value in kept)
    yield from consistency_rows(pair, fused)
    if regions.ventricle.sum() > 500:
        yield (
            "ventricle by quarter, front to back",
            " ".join(f"{x:.2f}" for x in quarter_means(fused, regions.ventricle)),
        )
    head = head_of(a, b)
    for name, source in (("T1", a), ("T2", b)):
        turn = similarity_by_slice(fused, source, head)
        yield f"SSIM with {name}, least..most by slice", f"{turn.min():.2f}..{turn.max():.2f}"
    of_fused, of_t1 = (abs(contrast_to_noise(image, regions.grey, regions.white)) for image in (fused, a))
    yield "grey against white matter, CNR over T1's", f"{of_fused / of_t1:.2f}"


def consistency_rows(pair: Pair, fused: np.ndarray) -> Rows:
    """How far equal voxels lie apart, over the volume, front to back and bottom to top, and how much slices flicker."""
    yield "equal voxels differ by, rms of 255", f"{tissue_inconsistency(pair.a, pair.b, fused):.1f}"
    yield "equal voxels drift front to back, of 255", f"{front_to_back_drift(pair.a, pair.b, fused):.1f}"
    yield "equal voxels drift bottom to top, of 255", f"{bottom_to_top_drift(pair.a, pair.b, fused):.1f}"
    if len(fused) > 2:
        of_fused, of_average = (flicker_for_detail(pair.a, pair.b, x) for x in (fused, average(pair.a, pair.b)))
        yield "flicker related to contrast, over average's", f"{of_fused / of_average:.2f}"


def colour_rows(pair: Pair, fused: np.ndarray) -> Rows:
    """The rows of a functional volume in colour."""
    for name, value in colour_fidelity(fused, pair.a, TABLE).items():
        yield name, f"{value:.3f}"


def overlay(pair: Pair) -> np.ndarray:
    """The colour table at 50 % over the grey MR, as viewers show it."""
    return 0.5 * apply_colour_table(pair.a, TABLE) + 0.5 * pair.b[..., None]


def brain(name: str, t1: Volume, t2: Volume, flair: Volume | None, methods: dict[str, Fuse]) -> None:
    """Print the rows of a brain."""
    pair = make_pair(PairKind.T1_T2, t1, t2, grid_is_a=True)
    third = None if flair is None else mapped(flair, find_mapping(flair, Modality.MR), t1.image)
    regions = find_regions(pair.a, pair.b, third, head_of(pair.a, pair.b))
    rows = {method: list(brain_rows(pair, regions, fuse(pair))) for method, fuse in methods.items()}
    if flair is not None and third is not None and regions.lesions:
        with_flair = make_pair(PairKind.T1_T2, t1, flair, grid_is_a=True)
        for method, fuse in methods.items():
            fused = fuse(with_flair)
            kept = [contrast_to_noise(fused, *lesion) / contrast_to_noise(third, *lesion) for lesion in regions.lesions]
            rows[method].append(
                ("lesions of T1 and FLAIR, CNR over FLAIR's", " ".join(f"{value:.2f}" for value in kept))
            )
    print_rows(name, rows)


def colours(name: str, pair: Pair, methods: dict[str, Fuse]) -> None:
    """Print the rows of a functional volume in colour; of the baselines the overlay stands in."""
    rows = {"overlay 50 %": list(colour_rows(pair, overlay(pair)))}
    in_colour = {method: fuse for method, fuse in methods.items() if getattr(fuse, "func", None) is fuse_with}
    rows |= {method: list(colour_rows(pair, fuse(pair, table=TABLE))) for method, fuse in in_colour.items()}
    print_rows(name, rows)


def blood(name: str, volumes: Path, *, left: bool, methods: dict[str, Fuse]) -> None:
    """Print the rows of a ball of acute blood in a CT slab."""
    t1 = read_volume(volumes / "rire/T1_slab_slices7-11.nii.gz")
    ct = read_volume(volumes / "rire/CT_slab_in_T1_grid_slices7-11.nii.gz")
    spacing = ct.image.GetSpacing()
    ball = with_blood(
        to_slices(ct.image, Plane.AXIAL).astype(np.float32), 2, (spacing[2], spacing[1], spacing[0]), left=left
    )
    marked = Volume(from_slices(ball.hounsfield, ct.image, Plane.AXIAL), ct.name)
    pair = make_pair(PairKind.CT_MRI, marked, t1, grid_is_a=False)

    def rows(fused: np.ndarray) -> list[Row]:
        return [
            ("ball of 75 HU, CNR", f"{contrast_to_noise(fused, ball.inside, ball.around):.1f}"),
            ("bone, median", f"{np.median(fused[ball.bone]):.2f}"),
            *consistency_rows(pair, fused),
        ]

    print_rows(name, {"the CT, mapped": rows(pair.a)} | {m: rows(fuse(pair)) for m, fuse in methods.items()})


def slices(data: Path, registered: Path, words: list[str]) -> None:
    """Print how far equal voxels of the CT-MRI slices lie apart, those of val as one volume."""
    pairs = read_pairs(read_dataset(data), [PairKind.CT_MRI], "val", registered=registered)
    a, b = (np.stack([getattr(pair, side) for pair in pairs]) for side in ("a", "b"))
    compared: list[ComparedMethod] = [by_method("average", average), by_method("maximum", maximum)]
    for word in words:
        name, _, weights = word.rpartition("=")
        compared.append(by_weights(name or Path(word).stem, weights))
    fused = {method.name: np.stack([method.fuse(pair) for pair in pairs]) for method in compared}
    print_rows(
        f"{len(pairs)} CT-MRI slices, val",
        {
            name: [("equal voxels differ by, rms of 255", f"{tissue_inconsistency(a, b, volume):.1f}")]
            for name, volume in fused.items()
        },
    )


def print_rows(title: str, rows_of: dict[str, list[Row]]) -> None:
    """Print a Markdown table: a row for each measure, a column for each method."""
    print(f"\n### {title}\n\n| what | {' | '.join(rows_of)} |\n|{' --- |' * (len(rows_of) + 1)}")
    for cells in zip(*rows_of.values(), strict=True):
        print(f"| {cells[0][0]} | {' | '.join(value for _, value in cells)} |", flush=True)


def main() -> None:
    """Print the table, volume by volume."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("data", type=Path)
    parser.add_argument("--weights", action="append", metavar="[NAME=]WEIGHTS", help="once for each set")
    parser.add_argument("--only", default="", help="parts, with commas between them, of those named below")
    parser.add_argument("--beside", default="", help="more columns: sources, pointwise, optimised, with commas")
    parser.add_argument("--registered", type=Path, default=Path("runs/registered"), help="keeps registered volumes")
    options = parser.parse_args()
    words = options.weights or [BUNDLED]
    names = [word.rpartition("=")[0] or Path(word).stem for word in words]
    if len(set(names)) < len(names):
        parser.error("two sets of weights have one name; give each its own, as in --weights new=runs/best.safetensors")
    beside = set(filter(None, options.beside.split(",")))
    if beside - {"sources", "pointwise", "optimised"}:
        parser.error("--beside takes sources, pointwise and optimised, with commas between them")
    methods, volumes = by_name(words, beside), options.data / "volumes"
    if "optimised" in beside:
        methods |= optimised(options.data, options.registered)
    parts = parts_of(options.data, volumes, options.registered, words, methods)
    unknown = set(filter(None, options.only.split(","))) - set(parts)
    if unknown:
        parser.error(f"there is no part {sorted(unknown)[0]}; choose from {', '.join(parts)}")
    for name in options.only.split(",") if options.only else parts:
        parts[name]()


def parts_of(
    data: Path, volumes: Path, registered: Path, words: list[str], methods: dict[str, Fuse]
) -> dict[str, Callable[[], None]]:
    """What prints each part of the table, by its name; the last five are of volumes that nobody chose by."""

    def read(*names: str) -> list[Volume]:
        return [read_volume(volumes / f"{name}.nii.gz") for name in names]

    def functional(kind: PairKind, name: str, mr: str) -> None:
        colours(f"{name} and {mr}, {TABLE}", make_pair(kind, *read(name, mr), grid_is_a=False), methods)

    def patient12() -> None:
        t1, *others = read(*(f"open_ms/patient12/study2_{name}" for name in ("T1W", "T2W", "FLAIR")))
        paths = [registered / f"open_ms_patient12_study2_{name}.nii.gz" for name in ("T2W", "FLAIR")]
        t2, flair = (registered_onto(t1, volume, path) for volume, path in zip(others, paths, strict=True))
        brain("open_ms patient12, second visit: not looked at", t1, t2, flair, methods)

    def avg152() -> None:
        brain("templates avg152: not looked at", *read("templates/avg152T1", "templates/avg152T2"), None, methods)

    def ball(where: str, *, left: bool) -> None:
        blood(f"rire, T1 and CT{where}", volumes, left=left, methods=methods)

    def scct() -> None:
        pair = make_pair(PairKind.CT_MRI, *read("templates/scct", "templates/avg152T1"), grid_is_a=False)
        rows = {name: list(consistency_rows(pair, fuse(pair))) for name, fuse in methods.items()}
        print_rows("templates scct and avg152T1: not looked at", rows)

    return {
        "stroke": lambda: brain("stroke, T1 and T2", *read("stroke/T1", "stroke/T2", "stroke/FLAIR"), methods),
        "rire": lambda: ball("", left=False),
        "pet": lambda: functional(PairKind.PET_MRI, "pyapetnet/PET_osem", "pyapetnet/T1_2000"),
        "spect": lambda: functional(PairKind.SPECT_MRI, "templates/spm_SPECT", "templates/spm_T1"),
        "slices": lambda: slices(data, registered, words),
        "patient12": patient12,
        "avg152": avg152,
        "rire-other": lambda: ball(", on the other side: not looked at", left=True),
        "spm-pet": lambda: functional(PairKind.PET_MRI, "templates/spm_PET", "templates/spm_T1"),
        "scct": scct,
    }


if __name__ == "__main__":
    main()
