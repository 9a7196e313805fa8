"""Training runs on disk: what a run starts from, its log, weights files.

Imports `common.settings.config`, `files` and `errors`; nothing of images, masks or Keras.
"""
