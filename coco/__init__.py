"""COCO, and the Mask R-CNN library's samples."""
