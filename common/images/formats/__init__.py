"""One file for each family of image formats: from a file's content to a `StoredImage`.

`common/images/decoding.py` chooses among them by the first bytes; none of them is tried after another's error.
"""
