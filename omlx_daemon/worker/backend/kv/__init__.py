"""The model's cache to payloads and back, for every cache class that mlx-lm has. Engine thread only.

Every cache is a list of leaves of three kinds: rows that stand for themselves, the last rows of a window, and a
state that is valid at one position. A class that is not known here turns prefix caching off for the model.
"""
