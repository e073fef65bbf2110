"""Measures of cleared images, by pixels, by features and by land cover."""
