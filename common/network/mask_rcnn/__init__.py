"""Mask R-CNN in `keras.ops`: anchors, pyramid, regions, heads, targets, losses, detector, export."""
