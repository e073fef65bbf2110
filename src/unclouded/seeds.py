"""Seeds of random numbers."""

LARGEST_SEED = 2**64 - 1
"""torch's generators, which clearing, training and measuring draw from, accept no larger one."""
