"""The script that the documentation prints for Slicer's console runs as it is printed."""

from __future__ import annotations

import re
from pathlib import Path

import slicer
import slicer.util

from Testing.host.scene import OBLIQUE, a_blob, a_volume_node

PAGE = Path(__file__).resolve().parents[2] / "Docs" / "how-to" / "slicer-console.md"


def the_script() -> str:
    return re.search(r"```python\n(.*?)```", PAGE.read_text(encoding="utf-8"), re.DOTALL).group(1)


def test_every_pair_of_the_scene_is_fused(module, scene, child_does, capsys):
    child_does("negate")
    for patient in ("P1", "P2"):
        for kind in ("CT", "MR"):
            a_volume_node(f"{patient} {kind}", a_blob((4, 5, 6)), OBLIQUE)
    exec(the_script(), {"slicer": slicer})  # noqa: S102 (the reader is to paste it)
    assert capsys.readouterr().out.splitlines()[-2:] == ["P1 MR + P1 CT fused", "P2 MR + P2 CT fused"]
