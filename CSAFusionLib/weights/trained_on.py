"""What the bundled weights were trained on, as a sentence names it."""

from __future__ import annotations

TRAINED_ON = {
    "ct-mr": "CT with MR of heads",
    "spect-mr": "SPECT with MR of heads",
    "pet-mr": "PET with MR of heads",
    "t1-t2": "T1 with T2 of heads",
}
