"""What the README shows is there: its script runs as it is printed, its pictures of the panel are small."""

from __future__ import annotations

import re
from pathlib import Path

import slicer
import slicer.util

from Testing.host.scene import OBLIQUE, a_blob, a_volume_node

README = Path(__file__).resolve().parents[2] / "README.md"


def the_script() -> str:
    after = README.read_text(encoding="utf-8").split("### From the Python console")[1]
    return re.search(r"```python\n(.*?)```", after, re.DOTALL).group(1)


def test_every_pair_of_the_scene_is_fused(module, scene, child_does, capsys):
    child_does("negate")
    for patient in ("P1", "P2"):
        for kind in ("CT", "MR"):
            a_volume_node(f"{patient} {kind}", a_blob((4, 5, 6)), OBLIQUE)
    exec(the_script(), {"slicer": slicer})  # noqa: S102 (the reader is to paste it)
    assert capsys.readouterr().out.splitlines()[-2:] == ["P1 MR + P1 CT fused", "P2 MR + P2 CT fused"]


def test_every_picture_is_there_and_those_of_the_panel_are_small():
    pictures = re.findall(r"!\[.+\]\((.+?)\)", README.read_text(encoding="utf-8"))
    assert len(pictures) > 5 and len(set(pictures)) == len(pictures)
    for picture in pictures:
        size = (README.parent / picture).stat().st_size
        assert size < 150_000 or "panel" not in picture and "tutorial" not in picture, picture
