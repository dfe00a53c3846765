"""What a run tells the user on stdout when it is done."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from pathlib import Path
from typing import Any

import typer

from CSAFusionLib.text import printable


def print_fusion_summary(provenance: Mapping[str, Any]) -> None:
    """Say how a result was made: modalities, registration, device, weights, warnings, and what it is not for."""
    for role in ("fixed", "moving"):
        typer.echo(f"{role.capitalize():13}{_describe_input(provenance[role])}")
    if "plane" in provenance:
        typer.echo(f"Slices       {provenance['plane']}")
    if "registration" in provenance:
        print_registration(provenance["registration"])
    device, weights = provenance["device"], provenance["weights"]
    typer.echo(f"Device       {device['name']}: {device['reason']}")
    typer.echo(f"Weights      {weights['name']} (SHA-256 {weights['sha256'][:12]}...)")
    print_warnings(provenance["warnings"])
    typer.echo(provenance["notice"])


def print_registration(registration: Mapping[str, Any]) -> None:
    """Say what did a registration, whether it can be trusted and why, and the figures before and after it."""
    parts = [_describe_method(registration)]
    if registration["model"] is not None:
        parts += [registration["model"].lower(), f"{registration['seconds']:.1f} s"]
    if verdict := registration["verdict"]:
        parts.append(f"verdict: {verdict['level']} ({verdict['reason'].rstrip('.')})")
    typer.echo(f"Registration {', '.join(parts)}")
    if figures := list_figures(registration["metric"]):
        typer.echo(f"Figures      {figures}")
    if misalignment := registration.get("misalignment"):
        typer.echo(f"Misalignment {misalignment['sentence'].rstrip('.')}")


def _describe_method(registration: Mapping[str, Any]) -> str:
    """What gave the transform: a method, or files and what wrote them."""
    if files := registration.get("given"):
        return "none, a given transform: " + ", ".join(file["format"] for file in files)
    method = str(registration["method"]).lower()
    if files := registration.get("started_from"):
        return f"{method} from a given transform ({', '.join(file['format'] for file in files)})"
    return method


def print_warnings(warnings: Iterable[str]) -> None:
    """Say what changes how a result is to be read, one line each."""
    for warning in warnings:
        typer.echo(f"Warning      {printable(warning)}")


def list_figures(figures: Mapping[str, float]) -> str:
    """The figures that there are of before and after a registration, in one line; one number where nothing changed."""
    names = [name.removesuffix("_before") for name in figures if name.endswith("_before")]
    names = [name for name in names if f"{name}_after" in figures]
    pairs = {name: (f"{figures[f'{name}_before']:.2f}", f"{figures[f'{name}_after']:.2f}") for name in names}
    return ", ".join(f"{name.replace('_', ' ')} {' to '.join(dict.fromkeys(pair))}" for name, pair in pairs.items())


def print_written(paths: Iterable[Path]) -> None:
    """Name the files that were written."""
    typer.echo("Wrote        " + printable(", ".join(str(path) for path in paths)))


def _describe_input(role: Mapping[str, Any]) -> str:
    unit = f" {role['unit']}" if role.get("unit") else ""
    shown = f", {role['black']:g} to {role['white']:g}{unit} shown from black to white" if "black" in role else ""
    if knee := role.get("knee"):
        shown += f" ({role['black']:g} to {knee['value']:g} in the darker {knee['brightness']:.0%})"
    table = f", in colour through {role['colour_table']}" if role.get("colour_table") else ""
    contrast = f" {role['contrast']}" if role.get("contrast") else ""
    return role["modality"] + contrast + _origin(role) + shown + table


def _origin(role: Mapping[str, Any]) -> str:
    """Who says the modality: nothing where the user does."""
    source = role.get("modality_from")
    if not role["modality_is_guessed"]:
        return f" (by its {source})" if source else ""
    parts = ["guessed", *([f"from its {source}"] if source else [])]
    return f" ({' '.join(parts)}{', unsure' if role.get('confidence') == 'unsure' else ''})"
