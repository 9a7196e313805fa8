"""Figures of data, networks, weights and runs, and pages of them.

Belongs here: functions that return a `matplotlib.figure.Figure` or a table. May import: see `CONTRIBUTING.md`.
"""
