"""CSAFusion: fuse two medical images into one, slice by slice, in 3-D geometry.

The backend of the CSAFusion extension for 3D Slicer. It imports without Slicer, and importing it loads nothing heavy.
The way of the data: ``volumes`` (read, check, write), ``geometry`` (grids, planes, resampling), ``intensity``
(modality, mapping to [0, 1], colour), ``registration``, ``fusion`` (settings, the run over the slices), ``network``
with its ``weights``. ``losses``, ``training`` and ``evaluation`` make and judge the weights; ``cli`` and
``slicer_host`` (with ``worker``, its child process) are the two ways in; ``demo`` is the tour.

Research use only, not for diagnosis.
"""

__version__ = "0.1.0"
