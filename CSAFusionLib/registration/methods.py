"""What can do a registration, and how freely it may move the image."""

from __future__ import annotations

from enum import Enum


class MenuChoice(Enum):
    """A choice of a menu; each value is (title, tooltip)."""

    @property
    def title(self) -> str:
        """The name a menu shows."""
        return self.value[0]

    @property
    def tooltip(self) -> str:
        """One sentence that helps to choose."""
        return self.value[1]

    def label(self) -> str:
        """The title, under the name by which Slicer asks for it when it fills a menu."""
        return self.title


class TransformModel(MenuChoice):
    """How freely the moving volume may move; each value is what a menu shows: (title, tooltip)."""

    RIGID = ("Rigid", "Rotation and translation (6 parameters): two scans of one patient's head.")
    AFFINE = ("Affine", "Rigid, with scaling and shearing (12 parameters): scanners whose scales differ.")
    BSPLINE = ("Deformable (B-spline)", "Affine, then a smooth grid of control points: anatomy that changed shape.")
    SYN = ("Deformable (SyN)", "Affine, then a smooth deformation that can be undone: anatomy that changed shape.")
    RIGID_AFFINE_SYN = ("Deformable (rigid, affine, SyN)", "The article's sequence: as SyN, begun rigidly; slower.")

    @property
    def is_linear(self) -> bool:
        """Whether straight lines stay straight, so that a matrix is enough to save it."""
        return self in (TransformModel.RIGID, TransformModel.AFFINE)


class Method(MenuChoice):
    """What does the registration; each value is what a menu shows: (title, tooltip)."""

    AUTO = ("Automatic", "The headers where they already agree, else the fastest method that passes the check.")
    NONE = ("Already aligned", "No registration: the volumes lie where their headers and transforms say.")
    SITK = ("SimpleITK", "Mattes mutual information, multi-resolution; rigid or affine; needs no extra package.")
    ANTS = ("ANTs", "ANTs through the package antspyx; rigid, affine or deformable; slower, installed apart.")
    ELASTIX = ("elastix", "elastix; rigid, affine or B-spline; installed apart.")
    LANDMARKS = ("Landmarks", "Keypoints matched across modalities; rigid, affine or B-spline; needs no extra package.")
    BRAINS = ("BRAINSFit", "Slicer's own registration module; rigid, affine or B-spline.")

    @property
    def models(self) -> tuple[TransformModel, ...]:
        """The transform models this method can find; none for the header geometry, which ignores the model."""
        return _MODELS[self]


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
