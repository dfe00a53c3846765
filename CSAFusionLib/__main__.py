"""``python -m CSAFusionLib``: the command ``csafusion``."""

from CSAFusionLib.cli.main import app

if __name__ == "__main__":
    app(prog_name="csafusion")
