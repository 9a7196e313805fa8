"""COCO, and the samples of the Mask R-CNN library that go with it."""
