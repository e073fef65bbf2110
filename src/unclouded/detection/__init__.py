"""Cloud, cloud shadow and haze: detectors, masks of the user and of products, and the opacity composed of them."""
