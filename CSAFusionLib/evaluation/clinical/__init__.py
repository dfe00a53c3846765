"""Tests of clinical needs that the usual metrics of fused images do not measure."""
