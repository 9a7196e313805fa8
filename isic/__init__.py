"""ISIC: skin lesions."""
