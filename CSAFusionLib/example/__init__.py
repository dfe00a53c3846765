"""Synthetic volumes: a head computed from formulas, and a PET simulated from tissue maps."""
