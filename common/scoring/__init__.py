"""Scores: the Data Science Bowl's, COCO's average precision, and the comparison they start from.

Imports `common.output` and `common.masks`.
"""
