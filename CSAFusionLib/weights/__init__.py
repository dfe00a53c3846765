"""The trained weights (safetensors files, checksums, model cards) and the code that reads and writes them."""
