"""The one room that knows Slicer: volumes and transforms out of MRML nodes and back into them, and the runs on nodes.

One frame runs through it: the *reference frame*, in which the fixed node's voxels lie before its parent transform acts.
The fused node gets the fixed node's IJKToRAS as it is and the same parent transform, so it is seen exactly where the
fixed volume is seen, and moves with it. The moving node's voxels are brought into that frame by what lies between the
two nodes' parent transforms. No node of the user is changed. What a user sees of all this is in ``panel``.
"""
