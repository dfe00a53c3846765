"""The panel's words for the backend's methods, transforms, stages and devices."""

from __future__ import annotations

from slicer.i18n import tr as _

from CSAFusionLib.registration.registration import Method, TransformModel

METHODS: dict[Method, tuple[str, str]] = {
    Method.AUTO: (
        _("Automatic"),
        _("The headers where they already agree, else the fastest method whose alignment is good."),
    ),
    Method.NONE: (
        _("Already aligned"),
        _("No registration: the volumes lie where their headers and transforms say."),
    ),
    Method.SITK: (
        _("SimpleITK"),
        _("Mattes mutual information, multi-resolution; rigid or affine; needs no extra package."),
    ),
    Method.ANTS: (
        _("ANTs"),
        _("ANTs through the package antspyx; rigid, affine or deformable; slower, installed apart."),
    ),
    Method.ELASTIX: (
        _("elastix"),
        _("elastix; rigid, affine or B-spline; installed apart."),
    ),
    Method.LANDMARKS: (
        _("Landmarks"),
        _("Keypoints matched across modalities; rigid, affine or B-spline; needs no extra package."),
    ),
    Method.BRAINS: (
        _("BRAINSFit"),
        _("Slicer's own registration module; rigid, affine or B-spline."),
    ),
}  # fmt: skip
"""(title, tooltip) of each method."""

MODELS: dict[TransformModel, tuple[str, str]] = {
    TransformModel.RIGID: (
        _("Rigid"),
        _("Rotation and translation (6 parameters): two scans of one patient's head."),
    ),
    TransformModel.AFFINE: (
        _("Affine"),
        _("Rigid, with scaling and shearing (12 parameters): scanners whose scales differ."),
    ),
    TransformModel.BSPLINE: (
        _("Deformable (B-spline)"),
        _("Affine, then a smooth grid of control points: anatomy that changed shape."),
    ),
    TransformModel.SYN: (
        _("Deformable (SyN)"),
        _("Affine, then a smooth deformation that can be undone: anatomy that changed shape."),
    ),
    TransformModel.RIGID_AFFINE_SYN: (
        _("Deformable (rigid, affine, SyN)"),
        _("The article's sequence: as SyN, begun rigidly; slower."),
    ),
}  # fmt: skip
"""(title, tooltip) of each transform."""

STAGES = {
    "Registering": _("Registering"),
    "Registering with ANTs": _("Registering with ANTs"),
    "Registering with BRAINSFit": _("Registering with BRAINSFit"),
    "Registering with elastix": _("Registering with elastix"),
    "Matching landmarks": _("Matching landmarks"),
    "Checking the registration": _("Checking the registration"),
    "Measuring misalignment": _("Measuring misalignment"),
    "Resampling": _("Resampling"),
    "Fusing slices": _("Fusing slices"),
    "Writing colour and geometry": _("Writing colour and geometry"),
}
"""The stages of a run, by their names in progress reports."""


_NOT_THERE = ("not present", "no such device")


def device_in_words(name: str, reason: str) -> str:
    """A device and the reason for choosing it, in the user's words; the backend's reason is for a log."""
    title = _("the processor (CPU)") if name == "cpu" else _("the graphics card ({name})").format(name=name)
    return _("{device}: {reason}").format(device=title, reason=_device_reason(reason))


def _device_reason(reason: str) -> str:
    if reason == "asked for":
        return _("it was chosen")
    if not reason.startswith("no accelerator"):
        return _("it passed a short test")
    problems = [problem.partition(": ")[2] for problem in reason.partition("(")[2].rstrip(")").split("; ")]
    told = [problem for problem in problems if problem not in _NOT_THERE]
    if not told:
        return _("no graphics card that can compute was found")
    return _("the graphics card cannot be used ({problem})").format(problem="; ".join(told))


WAITING = _("waiting")
"""A case of a batch that has not ended."""

GRADES = {
    "good": _("\N{HEAVY CHECK MARK} good"),
    "doubtful": _("\N{WARNING SIGN} doubtful"),
    "bad": _("\N{HEAVY MULTIPLICATION X} bad"),
    "": _("not assessed"),
}
"""The grade of a finished case of a batch."""

FAILED = _("\N{HEAVY BALLOT X} failed")
"""A case of a batch that has failed."""


def case_in_words(status: str, grade: str) -> str:
    """How a case of a batch ended; an unknown word, from a later version, is shown unchanged."""
    return FAILED if status == "failed" else GRADES.get(grade, grade)


def words_of(choice: Method | TransformModel) -> tuple[str, str]:
    """Title and tooltip of a method or a transform."""
    return METHODS[choice] if isinstance(choice, Method) else MODELS[choice]


def title_of(choice: Method | TransformModel) -> str:
    """The panel's name for a method or a transform."""
    return words_of(choice)[0]


def stage_in_words(stage: str) -> str:
    """A stage as the panel shows it; an unknown one is shown as reported."""
    return STAGES.get(stage, stage)
