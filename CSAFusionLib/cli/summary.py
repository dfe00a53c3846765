"""What a run tells the user on stdout when it is done."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from pathlib import Path
from typing import Any

import typer


def print_fusion_summary(provenance: Mapping[str, Any]) -> None:
    """Say how a result was made: modalities, registration, device, weights, warnings, and what it is not for."""
    for role in ("fixed", "moving"):
        typer.echo(f"{role.capitalize():13}{_describe_input(provenance[role])}")
    if "registration" in provenance:
        typer.echo(f"Registration {describe_registration(provenance['registration'])}")
    device, weights = provenance["device"], provenance["weights"]
    typer.echo(f"Device       {device['name']}: {device['reason']}")
    typer.echo(f"Weights      {weights['name']} (SHA-256 {weights['sha256'][:12]}...)")
    for warning in provenance["warnings"]:
        typer.echo(f"Warning      {warning}")
    typer.echo(provenance["notice"])


def describe_registration(registration: Mapping[str, Any]) -> str:
    """Method, model, time and figures in one line."""
    method, figures = registration["method"].lower(), registration["metric"]
    if registration["model"] is None:
        return method + _list_figures({name: value for name, value in figures.items() if not name.endswith("_before")})
    return f"{method}, {registration['model'].lower()}, {registration['seconds']:.1f} s" + _list_figures(figures)


def print_written(paths: Iterable[Path]) -> None:
    """Name the files that were written."""
    typer.echo("Wrote        " + ", ".join(str(path) for path in paths))


def _list_figures(figures: Mapping[str, float]) -> str:
    return "".join(f", {name.replace('_', ' ')} {value:.3f}" for name, value in figures.items())


def _describe_input(role: Mapping[str, Any]) -> str:
    origin = " (guessed)" if role["modality_is_guessed"] else ""
    shown = f", {role['black']:g} to {role['white']:g} shown from black to white" if "black" in role else ""
    table = f", in colour through {role['colour_table']}" if role.get("colour_table") else ""
    return role["modality"] + origin + shown + table
