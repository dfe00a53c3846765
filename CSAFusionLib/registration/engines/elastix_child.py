"""The process in which elastix runs: ``python -m CSAFusionLib.registration.engines.elastix_child FOLDER THREADS``.

FOLDER holds fixed.nrrd, moving.nrrd and parameters.json, a list of one set of elastix' parameters for each stage. For
the last of n stages TransformParameters.(n-1)-Composite.h5 joins them: all stages as one ITK transform. Where there are
fixed_mask.nrrd or moving_mask.nrrd, the images are compared inside of them alone.
"""

from __future__ import annotations

import json
import sys
from pathlib import Path
from typing import Any

# One by one: through ``itk.ElastixRegistrationMethod`` ITK would load nearly all it has, which takes 20 s.
from itk.elxParameterObjectPython import elastixParameterObject_New
from itk.itkElastixRegistrationMethodPython import itkElastixRegistrationMethodIF3IF3_New
from itk.itkImageFileReaderPython import itkImageFileReaderIF3_New, itkImageFileReaderIUC3_New


def register_folder(folder: Path, threads: int) -> None:
    """Run elastix on the files of a folder, to which it adds its own."""
    parameters = elastixParameterObject_New()
    for stage in json.loads((folder / "parameters.json").read_text()):
        parameters.AddParameterMap(stage)
    elastix = itkElastixRegistrationMethodIF3IF3_New()
    elastix.SetFixedImage(_read(folder / "fixed.nrrd", itkImageFileReaderIF3_New()))
    elastix.SetMovingImage(_read(folder / "moving.nrrd", itkImageFileReaderIF3_New()))
    for name, take in (("fixed_mask.nrrd", elastix.SetFixedMask), ("moving_mask.nrrd", elastix.SetMovingMask)):
        if (folder / name).exists():
            take(_read(folder / name, itkImageFileReaderIUC3_New()))
    elastix.SetParameterObject(parameters)
    elastix.SetOutputDirectory(str(folder))
    elastix.SetNumberOfThreads(threads)
    elastix.UpdateLargestPossibleRegion()


def _read(path: Path, reader: Any) -> Any:
    reader.SetFileName(str(path))
    reader.Update()
    return reader.GetOutput()


if __name__ == "__main__":
    register_folder(Path(sys.argv[1]), int(sys.argv[2]))
