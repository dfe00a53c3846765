"""``csafusion evaluate``: compare fusion methods on the data set."""

from __future__ import annotations

from collections import Counter
from collections.abc import Sequence
from importlib.util import find_spec
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from CSAFusionLib.cli.development import data_options
from CSAFusionLib.cli.options import NetworkDevice, parse_named
from CSAFusionLib.cli.outputs import check_output_folder, filled_folder, print_written
from CSAFusionLib.cli.terminal import ProgressBar
from CSAFusionLib.errors import InputError
from CSAFusionLib.files.atomic_write import atomic_write, content_writer
from CSAFusionLib.fusion.device import choose_device
from CSAFusionLib.progress import Progress

if TYPE_CHECKING:
    from CSAFusionLib.evaluation.compared_methods import ComparedMethod
    from CSAFusionLib.evaluation.comparison import Comparison
    from CSAFusionLib.training.pairs import ImagePair, Split


_TRAINS_OBSERVER = 40
_PACKAGES = ("jinja2", "matplotlib", "pandas", "pywt", "scipy", "skimage", "statsmodels")

Output = Annotated[
    Path | None, typer.Option("-o", "--output", metavar="FOLDER", help="Also save tables and a page with plots.")
]
Few = Annotated[
    int | None, typer.Option(min=1, help="Only this many pairs of each kind, evenly spaced, for a quick look.")
]
Weights = Annotated[
    list[str] | None,
    typer.Option(
        metavar="[NAME=]WEIGHTS[@BALANCE]",
        help="A network; may be repeated: bundled weights by name, a file, or CSAFusion, which takes the bundled "
        "weights that fit the kind; @-0.3 shifts the balance to A, @0.3 to B. All others are compared with the first.  "
        "[default: CSAFusion]",
        show_default=False,
    ),
]
Methods = Annotated[str | None, typer.Option(help="Baselines, separated by commas; all when left out.")]
Results = Annotated[
    list[str] | None,
    typer.Option(
        metavar="NAME=FOLDER", help="Fused pictures of another method: KIND/PAIR.png, or PAIR.png for one kind."
    ),
]
Clinical = Annotated[
    bool,
    typer.Option(help="Also test lesion retention and the consistency of volumes from slice to slice; takes longer."),
]
Limit = Annotated[
    bool, typer.Option("--limit", help="Find the attainable limit by optimising pixels; takes a minute per pair.")
]

ModelObserver = Annotated[
    bool,
    typer.Option(
        "--observer",
        help="Ask a model observer which lesions it sees in sources and fused images, those of PET and SPECT in colour "
        f"too; takes some ten minutes per kind. It is trained on {_TRAINS_OBSERVER} pairs of the other patients.",
    ),
]

Bound = Annotated[
    bool,
    typer.Option("--bound", help="With --observer: also how much it could see in a pointwise fusion optimised for it."),
]


def evaluate(
    data: data_options.Data,
    dataset: data_options.DataDescription = None,
    output: Output = None,
    kinds: data_options.Kinds = data_options.ALL_KINDS,
    split: Annotated[str, typer.Option(metavar="train|val", help="Which patients.")] = "val",
    pairs: Few = None,
    weights: Weights = None,
    methods: Methods = None,
    results: Results = None,
    clinical: Clinical = True,
    limit: Limit = False,
    observer: ModelObserver = False,
    bound: Bound = False,
    device: NetworkDevice = "auto",
    registered: data_options.Registered = data_options.REGISTERED,
) -> None:
    """Compare fusion methods on pairs of images, and print tables as Markdown."""
    check_packages()
    from CSAFusionLib.evaluation.compared_methods import BUNDLED, check_names
    from CSAFusionLib.evaluation.comparison import (
        add_clinical_tests,
        add_limits,
        add_observer,
        compare_methods,
        middles_of_equal_parts,
    )
    from CSAFusionLib.evaluation.report.report_files import to_markdown
    from CSAFusionLib.evaluation.report.tables import tables_of
    from CSAFusionLib.training.dataset import read_dataset
    from CSAFusionLib.training.pairs import read_pairs

    if output is not None:
        check_output_folder(output)
    chosen_kinds, part = data_options.parse_kinds(kinds), data_options.parse_split(split)
    described = read_dataset(data, dataset)
    plain, networks = _plain(methods), _networks(weights or [BUNDLED], choose_device(device).torch_device)
    with ProgressBar() as progress:
        chosen = read_pairs(described, chosen_kinds, part, registered=registered, progress=progress)
        chosen = chosen if pairs is None else middles_of_equal_parts(chosen, pairs)
        compared = [*plain, *networks, *_saved(results or [], chosen)]
        check_names(compared)
        comparison = compare_methods(compared, networks[0].name, chosen, progress)
        if clinical:
            comparison = add_clinical_tests(comparison, compared, described, registered=registered, progress=progress)
        if limit:
            comparison = add_limits(comparison, progress)
        if observer:
            others: Split = "train" if part == "val" else "val"
            training = read_pairs(described, chosen_kinds, others, registered=registered, progress=progress)
            training = middles_of_equal_parts(training, _TRAINS_OBSERVER)
            comparison = add_observer(comparison, compared, training, bound=bound, progress=progress)
        about = _about(comparison, part, compared)
        summary = to_markdown(tables_of(comparison), about, comparison.ours)
        if output is not None:
            written = _write_report(output, comparison, about, progress)
    typer.echo(summary, nl=False)
    if output is not None:
        print_written(written)


def _write_report(output: Path, comparison: Comparison, about: list[str], progress: Progress) -> list[Path]:
    from CSAFusionLib.evaluation.report.report_files import report_files

    progress("Writing the report", 0, 0)
    contents = report_files(comparison, about)
    written = {output / name: content_writer(content) for name, content in contents.items()}
    with filled_folder(output):
        atomic_write(written, progress)
    return list(written)


def check_packages() -> None:
    """Raise InputError, which names them, if packages that only the evaluation needs are not installed."""
    missing = [package for package in _PACKAGES if find_spec(package) is None]
    if missing:
        raise InputError(f"The evaluation needs {', '.join(missing)}; install with pip install 'csafusion[evaluate]'.")


def _plain(names: str | None) -> list[ComparedMethod]:
    from CSAFusionLib.evaluation.compared_methods import by_method
    from CSAFusionLib.evaluation.fusion_methods import BASELINES, baselines_named

    chosen = BASELINES if names is None else baselines_named(names.split(","))
    return [by_method(name, method) for name, method in chosen.items()]


def _networks(texts: Sequence[str], device: str) -> list[ComparedMethod]:
    from CSAFusionLib.evaluation.compared_methods import by_weights

    compared = []
    for text in texts:
        wanted, balance = _split_balance(text)
        default = f"{Path(wanted).stem} {balance:+g}" if balance else Path(wanted).stem
        name, chosen = parse_named(wanted, "weights") if "=" in wanted else (default, wanted)
        compared.append(by_weights(name, chosen, device, balance))
    return compared


def _split_balance(text: str) -> tuple[str, float]:
    """Return weights and balance of ``WEIGHTS@BALANCE``; a file name may itself contain an @."""
    weights, _, number = text.rpartition("@")
    try:
        balance = float(number)
    except ValueError:
        return text, 0.0
    if not weights or not -1 <= balance <= 1:
        raise InputError(f"'{text}' has no balance of -1 (A alone) to 1 (B alone); give it like CSAFusion@-0.3.")
    return weights, balance


def _saved(texts: Sequence[str], pairs: Sequence[ImagePair]) -> list[ComparedMethod]:
    from CSAFusionLib.evaluation.compared_methods import by_results

    named = [parse_named(text, "folder of results") for text in texts]
    return [by_results(name, Path(folder), pairs) for name, folder in named]


def _about(comparison: Comparison, part: Split, compared: Sequence[ComparedMethod]) -> list[str]:
    counts = Counter(pair.kind.value for pair in comparison.pairs)
    measured = ", ".join(f"{count} of {kind}" for kind, count in counts.items())
    told = [f"{method.name}: {method.about}." for method in compared if method.about]
    if comparison.unobserved:
        told.append(
            f"The model observer finds too few places with room for a lesion in {', '.join(comparison.unobserved)}; "
            "give it more pairs."
        )
    return [f"Pairs of images, patients of {part}: {measured}.", *told]
