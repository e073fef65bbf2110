"""Clearing on a dask.distributed cluster."""
