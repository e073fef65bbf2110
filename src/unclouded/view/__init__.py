"""A map of cleared scenes in the browser: files to tiles, tiles to a page, on this machine alone."""
