"""Align a moving volume to a fixed one: one interface over several engines, and the quality of what they give."""
