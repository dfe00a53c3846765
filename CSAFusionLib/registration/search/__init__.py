"""The search that SimpleITK's engine does: where to start, and how to climb to the most mutual information."""
