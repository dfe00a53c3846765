"""Whether a registration can be trusted: figures, plausibility, a verdict with its reason, and pictures."""
