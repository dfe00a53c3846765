"""The commands that make and measure weights, and the demonstration; Slicer does not install them."""
