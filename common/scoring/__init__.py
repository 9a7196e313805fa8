"""Scores: the Data Science Bowl's, COCO's average precision, and the comparison that underlies them.

Imports `common.output` and `common.masks`.
"""
