"""The kinds of sources that are understood, one a file: product, folder, stack, STAC item, array, cube."""
