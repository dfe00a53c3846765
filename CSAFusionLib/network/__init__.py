"""The CSAFusion network: a U-Net of adaptive convolution, parallel encoders and Swin decoders, in plain PyTorch.

Written without MONAI's blocks on purpose: this is what runs inside Slicer, where the newest torch can be 2.2 (macOS)
and MONAI asks for a far newer one.
"""
