"""From detections to objects: tiles, views and their merging, overlaps, box fusion.

Imports `common.masks` and `common.images`, but not Keras: it runs in worker processes.
"""
