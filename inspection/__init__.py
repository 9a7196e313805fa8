"""Reports that show every step."""
