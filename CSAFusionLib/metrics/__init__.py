"""Metrics of a fused image, one file for each; losses and evaluation share those that are written in PyTorch."""
