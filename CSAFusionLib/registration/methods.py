"""What can do a registration, how freely it may move the image, and what a matrix given in its place means."""

from __future__ import annotations

from enum import Enum


class TransformModel(Enum):
    """How freely the moving volume may move."""

    RIGID = "rigid"
    AFFINE = "affine"
    BSPLINE = "bspline"
    SYN = "syn"
    RIGID_AFFINE_SYN = "rigid_affine_syn"

    @property
    def is_linear(self) -> bool:
        """Whether straight lines stay straight, so that a matrix is enough to save it."""
        return self in (TransformModel.RIGID, TransformModel.AFFINE)


class Method(Enum):
    """What does the registration; the values are the names that the command line and Python take."""

    AUTO = "auto"
    NONE = "none"
    SITK = "sitk"
    ANTS = "ants"
    ELASTIX = "elastix"
    LANDMARKS = "landmarks"
    BRAINS = "brains"

    @property
    def models(self) -> tuple[TransformModel, ...]:
        """The transform models this method can find; none for the header geometry, which ignores the model."""
        return _MODELS[self]

    @property
    def takes_masks(self) -> bool:
        """Whether it can compare inside of masks alone."""
        return self is not Method.NONE


class MatrixKind(Enum):
    """What a bare matrix means.

    ``fsl`` is FLIRT's: from the moving volume to the fixed one, in FSL's own millimetres. ``ras`` is that of Greedy,
    NiftyReg and c3d: from the fixed volume to the moving one, in RAS mm.
    """

    FSL = "fsl"
    RAS = "ras"


_LINEAR = (TransformModel.RIGID, TransformModel.AFFINE)
_MODELS = {
    Method.AUTO: tuple(TransformModel),
    Method.NONE: (),
    Method.SITK: _LINEAR,
    Method.ANTS: (*_LINEAR, TransformModel.SYN, TransformModel.RIGID_AFFINE_SYN),
    Method.ELASTIX: (*_LINEAR, TransformModel.BSPLINE),
    Method.LANDMARKS: (*_LINEAR, TransformModel.BSPLINE),
    Method.BRAINS: (*_LINEAR, TransformModel.BSPLINE),
}
