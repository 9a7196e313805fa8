"""Images and sets of images: decoding, DICOM, colours, the cache of their masks, generated images.

Imports `common.masks`, and `files`, `parallel` and `errors`.
"""
