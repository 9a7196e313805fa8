"""What networks compute on the way, as arrays: for figures, never for prediction."""
