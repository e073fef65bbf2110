"""Names of bands, products, satellites, dates and dimensions, parsed."""
