"""From two volumes to one: the settings of a run, the compute device, the network over the slices, the pipeline."""
