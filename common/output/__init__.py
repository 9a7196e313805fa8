"""Files of predictions: submissions that resume, results with classes and scores.

Imports `common.prediction`, `common.masks` and `files`, `parallel`, `errors`.
"""
