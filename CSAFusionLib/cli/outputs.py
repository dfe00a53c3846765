"""Check output files before any work, and print to stdout what a run has done."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping
from contextlib import contextmanager, suppress
from pathlib import Path
from typing import Any

import typer

from CSAFusionLib.errors import InputError
from CSAFusionLib.files.atomic_write import check_folder, is_same_file, is_taken, place_of
from CSAFusionLib.text import printable


def check_outputs(outputs: Iterable[Path | None], inputs: Iterable[Path], *, overwrite: bool = False) -> None:
    """Refuse an output that is an input, is named twice, or cannot be written; None stands for no output.

    overwrite: whether an output may already exist.

    Raises:
        InputError: naming the first such output.
    """
    taken = list(inputs)
    for path in filter(None, outputs):
        if any(is_same_file(path, other) for other in taken):
            raise InputError(f"'{path}' is an input or is named for two outputs; give each output its own name.")
        taken.append(path)
        check_absent(place_of(path), path, overwrite=overwrite)


def check_absent(place: Path, path: Path, *, overwrite: bool) -> None:
    """Refuse an output that exists already, unless it may be overwritten.

    Raises:
        InputError: naming the output as the user did.
    """
    if not overwrite and place.exists():
        raise InputError(f"'{path}' already exists; give another name, or --overwrite to replace it.")


def check_extension(path: Path | None, extensions: Iterable[str]) -> None:
    """Refuse an output whose name does not end in one of ``extensions``; None is no output.

    Raises:
        InputError: naming the output and the extensions.
    """
    known = tuple(extensions)
    if path is not None and not path.name.lower().endswith(known):
        raise InputError(f"'{path}' must end in {' or '.join(known)}; change its name.")


def check_output_folder(folder: Path) -> None:
    """Refuse an output folder that is a file or cannot be created or written to.

    Raises:
        InputError: naming the folder.
    """
    if is_taken(folder):
        raise InputError(f"'{folder}' is not a folder; give another name with -o.")
    check_folder(folder if folder.is_dir() else folder.parent)


@contextmanager
def filled_folder(folder: Path) -> Iterator[None]:
    """Create a folder for the block to fill, if it is missing; if the block fails, remove it again.

    Raises:
        InputError: it cannot be made.
    """
    made = not folder.exists()
    try:
        folder.mkdir(exist_ok=True)
    except OSError as error:
        raise InputError(f"The folder '{folder}' cannot be made ({error.strerror}); choose another.") from error
    try:
        yield
    except BaseException:
        if made:
            with suppress(OSError):
                folder.rmdir()
        raise


def print_fusion_summary(provenance: Mapping[str, Any]) -> None:
    """Print how a result was made: modalities, registration, device, weights, warnings, and what it is not for."""
    for which in ("fixed", "moving"):
        typer.echo(f"{which.capitalize():13}{_describe_input(provenance[which])}")
    if "series" in provenance:
        typer.echo(f"Series       {_describe_series(provenance['series'])}")
    if "plane" in provenance:
        typer.echo(f"Slices       {provenance['plane']}")
    if "registration" in provenance:
        print_registration(provenance["registration"])
    device, weights = provenance["device"], provenance["weights"]
    typer.echo(f"Device       {device['name']}: {device['reason']}")
    checksum = f" (SHA-256 {weights['sha256'][:12]}...)" if weights["sha256"] else ": this style needs no network"
    typer.echo(f"Weights      {weights['name']}{checksum}")
    print_warnings(provenance["warnings"])
    typer.echo(provenance["notice"])


def print_registration(registration: Mapping[str, Any]) -> None:
    """Print what registered the volumes, the quality and its reason, and the metrics before and after."""
    parts = [_describe_method(registration)]
    if registration["model"] is not None:
        parts += [registration["model"].lower(), f"{registration['seconds']:.1f} s"]
    if quality := registration["verdict"]:
        parts.append(f"quality: {quality['level']} ({quality['reason'].rstrip('.')})")
    typer.echo(f"Registration {', '.join(parts)}")
    if metrics := list_metrics(registration["metric"]):
        typer.echo(f"Metrics      {metrics}")
    if misalignment := registration.get("misalignment"):
        typer.echo(f"Misalignment {misalignment['sentence'].rstrip('.')}")


def _describe_series(series: Mapping[str, Any]) -> str:
    by = series["registered_by"]
    said = f"{series['of']}, {series['volumes']} volumes, registered by " + (
        "their mean" if by == "mean" else f"volume {by}"
    )
    if times := series["times_s"]:
        starts = times["FrameTimesStart"]
        said += f", begun {starts[0]:g} to {starts[-1]:g} s"
    return said


def _describe_method(registration: Mapping[str, Any]) -> str:
    """The origin of the transform: a method, or files and the programs that wrote them."""
    if files := registration.get("given"):
        return "none, a given transform: " + ", ".join(file["format"] for file in files)
    method = str(registration["method"]).lower()
    if masks := registration.get("masks"):
        method += f" inside the mask of the {' and the '.join(mask['of'] for mask in masks)} volume"
    if files := registration.get("started_from"):
        return f"{method} from a given transform ({', '.join(file['format'] for file in files)})"
    return method


def print_warnings(warnings: Iterable[str]) -> None:
    """Print the warnings, one line each."""
    for warning in warnings:
        typer.echo(f"Warning      {printable(warning)}")


def list_metrics(metrics: Mapping[str, float]) -> str:
    """The metrics before and after a registration, in one line; one number where nothing changed."""
    names = [name.removesuffix("_before") for name in metrics if name.endswith("_before")]
    names = [name for name in names if f"{name}_after" in metrics]
    pairs = {name: (f"{metrics[f'{name}_before']:.2f}", f"{metrics[f'{name}_after']:.2f}") for name in names}
    return ", ".join(f"{name.replace('_', ' ')} {' to '.join(dict.fromkeys(pair))}" for name, pair in pairs.items())


def print_written(paths: Iterable[Path]) -> None:
    """Name the files that were written."""
    typer.echo("Wrote        " + printable(", ".join(str(path) for path in paths)))


def _describe_input(found: Mapping[str, Any]) -> str:
    unit = f" {found['unit']}" if found.get("unit") else ""
    shown = f", {found['black']:g} to {found['white']:g}{unit} shown from black to white" if "black" in found else ""
    if knee := found.get("knee"):
        shown += f" ({found['black']:g} to {knee['value']:g} in the darker {knee['brightness']:.0%})"
    table = f", in colour through {found['colour_table']}" if found.get("colour_table") else ""
    contrast = f" {found['contrast']}" if found.get("contrast") else ""
    return found["modality"] + contrast + _origin(found) + shown + table


def _origin(found: Mapping[str, Any]) -> str:
    """The source of the modality; empty where the user gave it."""
    source = found.get("modality_from")
    if not found["modality_is_guessed"]:
        return f" (by its {source})" if source else ""
    parts = ["guessed", *([f"from its {source}"] if source else [])]
    return f" ({' '.join(parts)}{', unsure' if found.get('confidence') == 'unsure' else ''})"
