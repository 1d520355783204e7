"""Rows that decode, in batches of like length: mlx-lm pads a batch to its longest row."""
