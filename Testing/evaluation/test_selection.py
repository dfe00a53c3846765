from __future__ import annotations

import numpy as np

from CSAFusionLib.evaluation.selection import middles_of_equal_parts
from CSAFusionLib.training.pairs import ImagePair, PairKind

BLACK = np.zeros((16, 16), np.float32)


def names(counts: dict[PairKind, int], wanted: int) -> list[str]:
    pairs = [
        ImagePair(a=BLACK, b=BLACK, kind=kind, name=f"{kind.value} {index}")
        for kind, count in counts.items()
        for index in range(count)
    ]
    return [pair.name for pair in middles_of_equal_parts(pairs, wanted)]


def test_pairs_stand_in_the_middle_of_equal_parts_of_their_kind() -> None:
    assert names({PairKind.CT_MRI: 9, PairKind.T1_T2: 4}, 3) == [
        "CT-MRI 1", "CT-MRI 4", "CT-MRI 7", "T1-T2 0", "T1-T2 2", "T1-T2 3",
    ]  # fmt: skip


def test_a_kind_with_few_pairs_gives_all_of_them() -> None:
    assert names({PairKind.PET_MRI: 2}, 5) == ["PET-MRI 0", "PET-MRI 1"]
