"""From a place and a period to images: catalogues (STAC APIs), overpasses, and the windows of them that are read."""
