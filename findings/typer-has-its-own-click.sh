#!/bin/bash
# Typer 0.29.2 bundles its own Click and does not install the package click. Code written for Click fails without warning:
# a click.UsageError raised in a command ends in a traceback and exit code 1 (Typer's BadParameter: a message and 2),
# click.get_current_context() finds no context, and the command is not a click.Command.
#
# Seen:
#   typer 0.29.2 installs click: False
#   click 8.5.1 beside it: is a click.Command False, context seen by click None
#   click.UsageError: exit code 1, traceback True; typer.BadParameter: exit code 2, traceback False
set -euo pipefail
folder=$(mktemp -d)
trap 'rm -rf "$folder"' EXIT
python3 -m venv "$folder/venv"
python="$folder/venv/bin/python"
"$folder/venv/bin/pip" install --quiet typer==0.29.2
cat > "$folder/tool.py" <<'PYTHON'
import typer

app = typer.Typer()


@app.command()
def main(error: str) -> None:
    import click

    if error == "none":
        print(f"context seen by click {click.get_current_context(silent=True)}")
    raise {"click": click.UsageError, "typer": typer.BadParameter, "none": typer.Exit}[error](*["told"] * (error != "none"))


if __name__ == "__main__":
    app()
PYTHON
"$python" - <<'PYTHON'
import importlib.util
from importlib.metadata import version

present = importlib.util.find_spec("click") is not None
print(f"typer {version('typer')} installs click: {present}")
assert not present, "typer installs click again"
PYTHON
"$folder/venv/bin/pip" install --quiet click==8.5.1
cd "$folder"
"$python" - <<'PYTHON'
import subprocess
import sys

import click
import tool
import typer.main


def run(error):
    done = subprocess.run([sys.executable, "tool.py", error], capture_output=True, text=True)
    return done, f"exit code {done.returncode}, traceback {'Traceback' in done.stderr}"


is_command = isinstance(typer.main.get_command(tool.app), click.Command)
context = run("none")[0].stdout.strip()
print(f"click 8.5.1 beside it: is a click.Command {is_command}, {context}")
by_click, by_typer = run("click")[1], run("typer")[1]
print(f"click.UsageError: {by_click}; typer.BadParameter: {by_typer}")
assert not is_command and context == "context seen by click None", "typer and click know each other again"
assert (by_click, by_typer) == ("exit code 1, traceback True", "exit code 2, traceback False"), "errors behave differently"
PYTHON
