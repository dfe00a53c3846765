"""``python -m CSAFusionLib.cli``: the command ``csafusion`` where no script is on the path, as inside Slicer."""

from CSAFusionLib.cli.main import run

run()
