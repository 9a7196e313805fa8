"""From what a network says to objects: tiles, views and their merging, overlaps, fused boxes.

Imports `common.masks` and `common.images`; runs in worker processes, so nothing of Keras.
"""
