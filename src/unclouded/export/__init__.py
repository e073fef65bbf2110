"""Bundled and other weights in the formats of other programs: ONNX networks and STAC items of models."""
