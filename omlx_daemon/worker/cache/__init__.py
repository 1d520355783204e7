"""The prefix cache of one worker: what was computed once is found again.

Knows neither mlx nor HTTP nor asyncio. Payloads are opaque and come from a `Codec`; blocks lie in tiers, of which the
store is given a sequence and names none. Everything here belongs to the engine thread, except what `cold`, `reader`
and `writer` do on threads of their own: those see bytes and never call the codec.
"""
