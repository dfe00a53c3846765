"""DICOM in: files of a folder, frames of a file, volumes of frames, and one volume as an image.

``files`` finds what a folder holds, ``frames`` and ``nuclear`` read where each frame lies and what its values mean,
``splitting`` tells the volumes of a series or file apart, ``stacking`` checks that a volume is a straight and even one,
``pixels`` decodes stored values, and ``reading`` leads through all of it.
"""
