"""The help of a command with its options in groups, as plain text: alike in every terminal, in a pipe and in a log."""

from __future__ import annotations

from collections.abc import Callable, Iterable
from typing import Any

from typer.core import TyperCommand

INPUTS = "Inputs"
REGISTRATION = "Registration"
FUSION = "Fusion"
NETWORK = "Network"
OUTPUTS = "Outputs"
CASES = "Cases"
WORKERS = "Workers"


class PanelCommand(TyperCommand):
    """A command whose help shows each option below the title in its ``rich_help_panel``."""

    def format_options(self, ctx: Any, formatter: Any) -> None:
        """Write the arguments, then each group in the order in which its first option comes."""
        panels: dict[str, list[tuple[str, str]]] = {}
        for parameter in self.get_params(ctx):
            record = parameter.get_help_record(ctx)
            if record is not None:
                default = "Arguments" if parameter.param_type_name == "argument" else "Options"
                title = getattr(parameter, "rich_help_panel", None) or default
                panels.setdefault(title, []).append(record)
        for title, records in panels.items():
            with formatter.section(title):
                formatter.write_dl(records)


def offering(names: Iterable[str]) -> Callable[[str], list[str]]:
    """Return what completes a half-typed value in a shell, from these names."""
    known = list(names)

    def complete(incomplete: str) -> list[str]:
        return [name for name in known if name.startswith(incomplete)]

    return complete
