#!/usr/bin/env bash
# SimpleITK 2.5.7: sitk.Image(image) is copied only when one of the two images changes. SetMetaData triggers the copy;
# EraseMetaData does not, so a key erased in the copy is erased in the original too. Call MakeUnique() first.
#
# Seen:
#   SimpleITK 2.5.7
#   SetMetaData on a copy: the original has 'original'
#   EraseMetaData on a copy: the original has ()
#   EraseMetaData after MakeUnique: the original has ('name',)
set -euo pipefail
folder=$(mktemp -d)
trap 'rm -rf "$folder"' EXIT
python3 -m venv "$folder/venv"
"$folder/venv/bin/pip" install --quiet SimpleITK==2.5.7 numpy==2.2.6
"$folder/venv/bin/python" - <<'PYTHON'
import SimpleITK as sitk


def a_pair() -> tuple[sitk.Image, sitk.Image]:
    image = sitk.Image([2, 2, 2], sitk.sitkInt16)
    image.SetMetaData("name", "original")
    return image, sitk.Image(image)


print("SimpleITK", sitk.Version.VersionString())
image, copy = a_pair()
copy.SetMetaData("name", "changed")
kept = image.GetMetaData("name")
print(f"SetMetaData on a copy: the original has {kept!r}")
image, copy = a_pair()
copy.EraseMetaData("name")
erased = image.GetMetaDataKeys()
print(f"EraseMetaData on a copy: the original has {erased}")
image, copy = a_pair()
copy.MakeUnique()
copy.EraseMetaData("name")
unique = image.GetMetaDataKeys()
print(f"EraseMetaData after MakeUnique: the original has {unique}")
assert (kept, erased, unique) == ("original", (), ("name",)), "the behaviour has changed"
PYTHON
