#!/usr/bin/env bash
# Importing dask-jobqueue 0.9.0, even only for its SLURMCluster, replaces the process's SIGINT handler with one that
# calls sys.exit(): Ctrl-C no longer raises KeyboardInterrupt, and an interrupted program ends with exit code 0, as if
# it had succeeded. `import distributed` alone leaves the handler unchanged.
#
# Seen:
#   distributed: KeyboardInterrupt, exit code not 0
#   dask_jobqueue: SystemExit, exit code 0
set -euo pipefail
folder=$(mktemp -d)
trap 'rm -rf "$folder"' EXIT
python3 -m venv "$folder/venv"
"$folder/venv/bin/pip" install --quiet dask-jobqueue==0.9.0 dask==2026.8.0 distributed==2026.8.0
cd "$folder"
"$folder/venv/bin/python" - <<'PYTHON'
import subprocess
import sys

CODE = """
import signal
signal.signal(signal.SIGINT, signal.default_int_handler)
import {0}
try:
    signal.raise_signal(signal.SIGINT)
except BaseException as end:
    print(type(end).__name__)
    raise
"""
seen = {}
for name in ("distributed", "dask_jobqueue"):
    ended = subprocess.run([sys.executable, "-c", CODE.format(name)], capture_output=True, text=True)
    seen[name] = (ended.stdout.strip(), ended.returncode == 0)
    print(f"{name}: {ended.stdout.strip()}, exit code {'0' if ended.returncode == 0 else 'not 0'}")
assert seen == {"distributed": ("KeyboardInterrupt", False), "dask_jobqueue": ("SystemExit", True)}, "it has changed"
PYTHON
