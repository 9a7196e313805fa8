"""Training runs on disk: what a run starts from, its log, weights files.

Imports `common.config`, `files` and `errors`; nothing of images, masks or Keras.
"""
