#!/usr/bin/env bash
# 3D Slicer (slicer-core 5.13) saves a deformation that a node holds "to parent" as InverseDisplacementFieldTransform,
# with the displacements as they are, in files with ITK's endings (.h5, .tfm). ITK does not know that class: SimpleITK
# refuses the file. Held "from parent", the same displacements are saved as DisplacementFieldTransform, which ITK reads.
# So whether ITK opens a transform that Slicer saved depends on the direction in which it was defined, which users do
# not see. A linear transform is saved from parent in either case, and ITK reads it.
#
# Seen:
#   grid to parent, .h5: InverseDisplacementFieldTransform, SimpleITK refuses it
#   grid from parent, .h5: DisplacementFieldTransform, SimpleITK reads it
set -euo pipefail
folder=$(mktemp -d)
trap 'rm -rf "$folder"' EXIT
python3 -m venv "$folder/venv"
"$folder/venv/bin/pip" install --quiet slicer-core==5.13.31053.0 SimpleITK==2.5.7 numpy==2.2.6
cd "$folder"
"$folder/venv/bin/python" - <<'PYTHON' 2>/dev/null
import numpy as np
import SimpleITK as sitk
import slicer
import vtk
from vtk.util.numpy_support import numpy_to_vtk

slicer.mrmlScene = slicer.vtkMRMLScene()
seen = {}
for way in ("To", "From"):
    image = vtk.vtkImageData()
    image.SetDimensions(5, 5, 5)
    image.SetSpacing(20, 20, 20)
    image.GetPointData().SetScalars(numpy_to_vtk(np.full((125, 3), 2.0), deep=True))
    grid = slicer.vtkOrientedGridTransform()
    grid.SetDisplacementGridData(image)
    node = slicer.mrmlScene.AddNewNodeByClass("vtkMRMLTransformNode")
    getattr(node, f"SetAndObserveTransform{way}Parent")(grid)
    storage = slicer.vtkMRMLTransformStorageNode()
    storage.SetFileName(f"{way}.h5")
    assert storage.WriteData(node)
    content = open(f"{way}.h5", "rb").read()
    name = "InverseDisplacementFieldTransform" if b"InverseDisplacementFieldTransform" in content else "DisplacementFieldTransform"
    try:
        sitk.ReadTransform(f"{way}.h5")
        said = "SimpleITK reads it"
    except RuntimeError:
        said = "SimpleITK refuses it"
    print(f"grid {way.lower()} parent, .h5: {name}, {said}")
    seen[way] = (name, said)
assert seen == {
    "To": ("InverseDisplacementFieldTransform", "SimpleITK refuses it"),
    "From": ("DisplacementFieldTransform", "SimpleITK reads it"),
}, "the behaviour has changed"
PYTHON
