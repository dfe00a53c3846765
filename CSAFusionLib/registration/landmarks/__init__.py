"""Registration by landmarks: descriptors that do not depend on the modality, matches, and a field through them."""
