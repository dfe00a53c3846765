"""The only room that depends on Slicer: converts MRML nodes to volumes and transforms and back, and runs fusions.

All of it uses the *reference frame*, in which the fixed node's voxels lie before its parent transform acts. The fused
node gets the fixed node's IJKToRAS unchanged and the same parent transform, so it appears exactly where the fixed
volume does, and moves with it. The transform between the two nodes' parents brings the moving node's voxels into that
frame. No input node is changed. ``panel`` holds what the user sees.
"""
