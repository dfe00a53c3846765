"""What voxel values mean: modality, mapping to [0, 1], colour."""
