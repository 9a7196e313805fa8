"""Images for the eye: objects drawn in, comparisons, galleries, colour splash.

Imports `common.scoring`, `common.images` and `common.masks`.
"""
