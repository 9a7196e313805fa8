"""Mask R-CNN in `keras.ops`: static shapes inside, any backend."""
