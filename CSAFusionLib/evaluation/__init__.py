"""How good a fused image is: metrics of (a, b, fused), each (H, W) from 0 to 255."""
