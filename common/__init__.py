"""Shared tools for instance segmentation competitions; this package knows no competition."""
