"""Training without labels: pairs of aligned images in, a weights file out."""
