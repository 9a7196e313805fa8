"""Figures and tables of image sets.

Belongs here: what a set holds, what looks wrong in it, what training makes of it. May import as `common.figures` does.
"""
