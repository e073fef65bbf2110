"""Outputs: strips with a journal, cloud-optimised GeoTIFFs and STAC items."""
