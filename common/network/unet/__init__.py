"""The U-Net: a map of probabilities for an image."""
