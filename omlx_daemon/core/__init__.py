"""The neutral vocabulary of a generation: requests in, events out, ports between layers.

Knows no HTTP, no mlx, no process. Imports the contract only.
"""
