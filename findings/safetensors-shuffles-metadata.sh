#!/bin/bash
# safetensors 0.8.0 writes the entries of a file's metadata in an order that changes from call to call, even within one
# process: the same tensors and metadata give different bytes, so equal contents can have different file hashes.
# Tensors keep one order, and a file with a single metadata entry is always the same.
#
# Seen:
#   safetensors 0.8.0: 16 files of the same tensors, of one entry of metadata 1 content, of six entries 16
set -euo pipefail
folder=$(mktemp -d)
trap 'rm -rf "$folder"' EXIT
python3 -m venv "$folder/venv"
"$folder/venv/bin/pip" install --quiet safetensors==0.8.0 numpy
"$folder/venv/bin/python" - <<'PYTHON'
from importlib.metadata import version

import numpy as np
from safetensors.numpy import save

tensors = {name: np.zeros(3, np.float32) for name in ("first", "second", "third")}


def contents(entries):
    return len({save(tensors, {letter: letter for letter in entries}) for _ in range(16)})


one, six = contents("a"), contents("abcdef")
print(
    f"safetensors {version('safetensors')}: 16 files of the same tensors, of one entry of metadata {one} content, "
    f"of six entries {six}"
)
assert one == 1 and six > 1, "safetensors writes metadata in one order now"
PYTHON
