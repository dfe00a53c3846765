"""A hundred damaged files in the suite; ``python -m Testing.fuzz.run`` tries more, and fuses what can be read."""

from __future__ import annotations

import random
import time
from pathlib import Path

import numpy as np
import pytest
import SimpleITK as sitk

from CSAFusionLib.errors import InputError
from CSAFusionLib.volumes.checking import check_volume
from CSAFusionLib.volumes.reading import read_volume
from Testing.fuzz.damage import damage_folder
from Testing.fuzz.originals import ORIGINALS, SHAPE, ball
from Testing.fuzz.run import kind_of, make_case

SEED = 1
A_HUNDRED = range(100)


def _content(folder: Path) -> dict[str, bytes]:
    return {path.name: path.read_bytes() for path in folder.iterdir()}


@pytest.mark.parametrize("kind", ORIGINALS)
def test_what_is_damaged_is_sound_before(tmp_path: Path, kind: str) -> None:
    image = read_volume(ORIGINALS[kind](tmp_path)).image
    assert image.GetSize() == SHAPE[::-1] and image.GetSpacing() == pytest.approx((0.9, 0.9, 3.0))
    assert image.GetDirection() == (1, 0, 0, 0, 1, 0, 0, 0, 1)
    voxels = sitk.GetArrayFromImage(image)
    assert np.corrcoef(voxels.reshape(*SHAPE, -1)[..., 0].ravel(), ball().ravel())[0, 1] > 0.99


def test_a_seed_gives_the_same_damage_again_and_another_one_does_not(tmp_path: Path) -> None:
    damaged = []
    for name, seed in (("a", 3), ("b", 3), ("c", 4)):
        folder = tmp_path / name
        folder.mkdir()
        make_case(seed, 5, "NRRD", folder)
        damaged.append(_content(folder))
    assert damaged[0] == damaged[1] != damaged[2]
    sound = tmp_path / "sound"
    sound.mkdir()
    ORIGINALS["NRRD"](sound)
    assert _content(sound) != damaged[0]


def test_an_empty_file_can_be_damaged_too(tmp_path: Path) -> None:
    (tmp_path / "a").touch()
    for seed in range(50):
        damage_folder(tmp_path, random.Random(seed))


def test_a_hundred_damaged_files_are_read_or_refused_in_one_sentence(tmp_path: Path) -> None:
    read = 0
    for case in A_HUNDRED:
        folder = tmp_path / str(case)
        folder.mkdir()
        path, done = make_case(SEED, case, kind_of(case), folder)
        started = time.monotonic()
        try:
            volume = read_volume(path)
            check_volume(volume)
        except InputError as refusal:
            said = str(refusal)
            assert said.endswith(".") and "\n" not in said, done
        else:
            read += 1
            assert np.isfinite(sitk.GetArrayViewFromImage(volume.image)).all(), done
        assert time.monotonic() - started < 20, done
    assert 10 < read < 60
