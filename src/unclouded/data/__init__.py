"""Where training images come from, and what is put over them."""
