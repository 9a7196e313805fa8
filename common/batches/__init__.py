"""Training batches: crops, augmentations, sampling, folds, the loader.

Imports `common.images` and `common.masks`, and the settings.
"""
