"""Whether a registration can be trusted: agreement, plausibility, alternatives, and a grade with its reason."""
