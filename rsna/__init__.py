"""RSNA 2018: pneumonia in chest radiographs."""
