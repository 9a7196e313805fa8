"""White blood cells of five classes."""
