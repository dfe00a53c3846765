"""CSAFusion: fuse two medical images into one, slice by slice, in 3-D geometry.

::

    import CSAFusionLib as csafusion

    result = csafusion.fuse("t1.nii.gz", "pet.nii.gz")
    result.save("fused/")

The backend of the CSAFusion extension for 3D Slicer. It imports without Slicer, and importing it loads nothing heavy:
the names below load on first use.

The rooms, in the order the data pass through them: ``volumes`` (read, check, write), ``geometry`` (grids, planes,
transforms), ``intensity`` (modality, mapping to [0, 1], colour), ``registration``, ``fusion`` (settings, the run over
the slices), ``network`` with its ``weights``. ``losses``, ``training`` and ``evaluation`` train and evaluate the
weights; ``api`` (the Python interface), ``cli`` and ``slicer_host`` (with ``worker``, its child process) are the three
entry points; ``example`` makes the test images.

Messages go to the ``logging`` logger ``CSAFusionLib``, which is silent unless the application configures it; they
contain no path, no name and no other patient data.

Research use only, not for diagnosis.
"""

from __future__ import annotations

# Type checkers take this for true; importing ``typing`` would be most of the cost of the import.
TYPE_CHECKING = False

if TYPE_CHECKING:
    from CSAFusionLib.api import apply_transform, fuse, fuse_series, fuse_several, read_volume, register, save_dicom
    from CSAFusionLib.errors import CSAFusionError, InputError
    from CSAFusionLib.fusion.result import FusionResult
    from CSAFusionLib.fusion.settings import FusionSettings
    from CSAFusionLib.volumes.volume import Volume

__version__ = "0.2.0"

__all__ = [
    "CSAFusionError",
    "FusionResult",
    "FusionSettings",
    "InputError",
    "Volume",
    "apply_transform",
    "fuse",
    "fuse_series",
    "fuse_several",
    "read_volume",
    "register",
    "save_dicom",
]

_HOMES = {
    "CSAFusionError": "CSAFusionLib.errors",
    "FusionResult": "CSAFusionLib.fusion.result",
    "FusionSettings": "CSAFusionLib.fusion.settings",
    "InputError": "CSAFusionLib.errors",
    "Volume": "CSAFusionLib.volumes.volume",
    "apply_transform": "CSAFusionLib.api",
    "fuse": "CSAFusionLib.api",
    "fuse_series": "CSAFusionLib.api",
    "fuse_several": "CSAFusionLib.api",
    "read_volume": "CSAFusionLib.api",
    "register": "CSAFusionLib.api",
    "save_dicom": "CSAFusionLib.api",
}

# Hidden from type checkers, which would otherwise accept every misspelt name.
if not TYPE_CHECKING:

    def __getattr__(name: str) -> object:
        """Load a public name from its home when it is first used (PEP 562)."""
        if name not in _HOMES:
            raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
        from importlib import import_module

        value = getattr(import_module(_HOMES[name]), name)
        globals()[name] = value
        return value


def __dir__() -> list[str]:
    return sorted({*globals(), *__all__})
