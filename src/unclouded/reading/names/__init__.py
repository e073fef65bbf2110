"""What names say: bands, products, satellites, dates and dimensions."""
