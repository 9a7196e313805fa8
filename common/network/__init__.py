"""Networks and their training: the only folder that imports Keras.

Imports `common.batches`, `common.prediction`, `common.runs` and what these import. `mask_rcnn` holds that network.
"""
