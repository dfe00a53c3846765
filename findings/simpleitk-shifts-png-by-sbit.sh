#!/usr/bin/env bash
# SimpleITK 2.5.7 shifts the values of a PNG down by what its chunk sBIT says, and still calls them 8 bits: a grey picture
# of 5 significant bits, stored as 0 to 255 as the standard asks, comes back as 0 to 31, nearly black. Pillow gives what is
# stored. Nothing in the image tells of it.
#
# Seen:
#   SimpleITK 2.5.7: without sBIT [0, 100, 255], with sBIT 5 [0, 12, 31], 8-bit unsigned integer
#   Pillow 12.3.0: without sBIT [0, 100, 255], with sBIT 5 [0, 100, 255]
set -euo pipefail
folder=$(mktemp -d)
trap 'rm -rf "$folder"' EXIT
python3 -m venv "$folder/venv"
"$folder/venv/bin/pip" install --quiet SimpleITK==2.5.7 pillow==12.3.0 numpy==2.2.6
cd "$folder"
"$folder/venv/bin/python" - <<'PYTHON'
import struct
import zlib

import numpy as np
import PIL
import SimpleITK as sitk
from PIL import Image


def chunk(kind: bytes, data: bytes) -> bytes:
    return struct.pack(">I", len(data)) + kind + data + struct.pack(">I", zlib.crc32(kind + data))


def write(name: str, more: bytes = b"") -> None:
    head = chunk(b"IHDR", struct.pack(">IIBBBBB", 3, 1, 8, 0, 0, 0, 0))
    rows = chunk(b"IDAT", zlib.compress(b"\0" + bytes([0, 100, 255])))
    with open(name, "wb") as file:
        file.write(b"\x89PNG\r\n\x1a\n" + head + more + rows + chunk(b"IEND", b""))


write("plain.png")
write("five.png", chunk(b"sBIT", b"\x05"))
by_itk = {name: sitk.ReadImage(f"{name}.png") for name in ("plain", "five")}
values = {name: sitk.GetArrayFromImage(image).ravel().tolist() for name, image in by_itk.items()}
kind = by_itk["five"].GetPixelIDTypeAsString()
print(f"SimpleITK {sitk.Version.VersionString()}: without sBIT {values['plain']}, with sBIT 5 {values['five']}, {kind}")
by_pillow = {name: np.asarray(Image.open(f"{name}.png")).ravel().tolist() for name in values}
print(f"Pillow {PIL.__version__}: without sBIT {by_pillow['plain']}, with sBIT 5 {by_pillow['five']}")
stored = [0, 100, 255]
assert by_pillow == {"plain": stored, "five": stored} and values == {"plain": stored, "five": [0, 12, 31]}, "changed"
PYTHON
