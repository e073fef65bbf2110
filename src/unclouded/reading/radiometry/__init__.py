"""What digital numbers mean: scale, offset, no data and order of the bands, held against the pixels."""
