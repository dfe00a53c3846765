#!/bin/bash
# SimpleITK 2.5.7 (GDCM 3.2.5) silently reads an RLE-compressed DICOM image in 16-bit RGB with its bytes in the wrong
# order; it reads the same image correctly when decompressed. It also reads 8-bit colour and 16-bit grey in RLE
# correctly. pydicom 3.0.2 decodes all of them.
# Seen:
#   SimpleITK 2.5.7, pydicom 3.0.2
#   16-bit RGB, RLE: 60% of the values differ; pydicom [65535, 0, 0], SimpleITK [0, 65280, 255]
#   16-bit RGB, decompressed: 0% of the values differ
#   8-bit RGB, RLE: 0% of the values differ
# Exits 1 when the bytes are no longer mixed up.
set -euo pipefail
folder=$(mktemp -d)
trap 'rm -rf "$folder"' EXIT
python3 -m venv "$folder/venv"
"$folder/venv/bin/pip" install --quiet numpy==2.2.6 pydicom==3.0.2 SimpleITK==2.5.7
"$folder/venv/bin/python" - "$folder" <<'PY'
import sys

import pydicom
import SimpleITK as sitk
from pydicom.data import get_testdata_file

print(f"SimpleITK {sitk.Version.VersionString()}, pydicom {pydicom.__version__}")


def share_that_differs(path, pixels):
    return (sitk.GetArrayFromImage(sitk.ReadImage(str(path))).squeeze() != pixels).mean()


path = get_testdata_file("SC_rgb_rle_16bit.dcm", download=False)
dataset = pydicom.dcmread(path)
pixels = dataset.pixel_array
mixed = share_that_differs(path, pixels)
first = sitk.GetArrayFromImage(sitk.ReadImage(str(path))).squeeze()[5, 50]
print(f"16-bit RGB, RLE: {mixed:.0%} of the values differ; pydicom {pixels[5, 50].tolist()}, SimpleITK {first.tolist()}")
dataset.decompress()
dataset.save_as(f"{sys.argv[1]}/plain.dcm")
plain = share_that_differs(f"{sys.argv[1]}/plain.dcm", pixels)
print(f"16-bit RGB, decompressed: {plain:.0%} of the values differ")
path = get_testdata_file("SC_rgb_rle.dcm", download=False)
eight = share_that_differs(path, pydicom.dcmread(path).pixel_array)
print(f"8-bit RGB, RLE: {eight:.0%} of the values differ")
sys.exit(0 if mixed > 0.5 and plain == eight == 0 else 1)
PY
