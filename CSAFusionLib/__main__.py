"""``python -m CSAFusionLib``: the command ``csafusion``."""

from CSAFusionLib.cli.main import run

if __name__ == "__main__":
    run()
