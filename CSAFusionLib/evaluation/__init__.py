"""Evaluates fused images: metrics, tests of clinical needs, and tables of both."""
