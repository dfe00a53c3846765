"""The network rewritten for a CPU: the same function of the same weights, for one slice at a time, without gradients.

The modules beside this folder are what is trained and read; here their weights are folded together once, and the
intermediate results stay small enough for the processor's cache.
"""
