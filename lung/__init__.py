"""Lungs in chest radiographs."""
