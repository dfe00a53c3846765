"""Tests of what a clinician needs of a fused image and no usual metric tells."""
