"""Metrics of a fused image: one file for each, all of (H, W) images from 0 to 255."""
