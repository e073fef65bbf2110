"""Training data: archives, data sets, samplers, augmentation, simulated clouds and landscapes."""
