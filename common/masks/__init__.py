"""Object masks: boxes, crops, run lengths, polygons, and operations on them.

Imports only `common.errors` from the project.
"""
