"""Data Science Bowl 2018: find the nuclei."""
