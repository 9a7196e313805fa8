"""Masks of objects: boxes, crops, run lengths, polygons, and the operations on them.

Imports NumPy and OpenCV; of the project only `common.errors`.
"""
