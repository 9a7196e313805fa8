"""Files: folders and zip archives read alike, writing aside, caches, locks.

Imports `errors`.
"""
