"""Where voxels are in the patient: grids, slicing planes, resampling, and the algebra of transforms."""
