"""The models in memory: one worker process each, leased to requests, unloaded when idle.

Runs on the event loop alone. Knows the core vocabulary and the wire, neither HTTP nor mlx. Clock, spawner
and memory probe come in through constructors.
"""
