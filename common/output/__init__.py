"""Prediction files: resumable submissions, results with classes and scores.

Imports `common.prediction`, `common.masks` and `files`, `parallel`, `errors`.
"""
