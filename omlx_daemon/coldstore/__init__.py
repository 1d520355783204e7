"""The cold tier's files: names, layout, block format, scan. Sees bytes only: no mlx, no asyncio.

A block file is written once, under the hash of what it holds, and never changed. Whatever is wrong with one is a miss
of that block alone.
"""
