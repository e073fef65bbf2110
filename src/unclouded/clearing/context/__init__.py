"""What must be known of the whole scene before a tile of it is cleared: the passes before the last."""
