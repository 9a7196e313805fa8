"""Figures of what a network does with an image, step by step, beside the ground truth.

All take arrays or values of `common.prediction`, and return a `matplotlib.figure.Figure` or a table.
"""
