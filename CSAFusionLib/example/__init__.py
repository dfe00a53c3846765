"""Volumes of no patient: a head made of formulas, and a PET simulated from tissue maps."""
