"""Visualisation: drawn objects, comparisons, galleries, colour splash.

Imports `common.scoring`, `common.images` and `common.masks`.
"""
