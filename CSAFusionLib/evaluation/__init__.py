"""How good a fused image is: metrics of the images, tests of what clinicians need, and tables of both."""
