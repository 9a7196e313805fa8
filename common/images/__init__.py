"""Images and image sets: decoding, DICOM, colours, the cache of masks, synthetic images.

Imports `common.masks`, `files`, `parallel` and `errors`.
"""
