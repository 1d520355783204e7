"""The one accountant of the cache directory: what may be written, what goes when room is needed.

Counts every byte below the directory as `du` does, other versions' and foreign ones included. Knows files by name and
size alone. Plain and synchronous; one lock guards it, and work that lasts runs in batches between which it is free.
"""
