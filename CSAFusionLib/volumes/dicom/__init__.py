"""DICOM in: files of a folder, frames of a file, volumes of frames, and one volume as an image.

``headers`` finds what a folder holds, ``layouts`` and ``frames`` read where each frame lies and what its values mean,
``stacking`` tells the volumes of a series apart and checks that each is a straight and even stack, ``pixels`` decodes
stored values, and ``series_reading`` runs all these steps; ``derived_series`` writes a fused volume back as DICOM.
"""
