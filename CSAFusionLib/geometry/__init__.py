"""Where voxels are in the patient: grids, slicing planes, resampling."""
