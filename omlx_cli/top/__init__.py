"""The live dashboard, and what it is fed with.

`feed` reads the daemon's events, `state` applies them to a snapshot, `history` keeps what passed. The modules named
after panels turn those into lines of spans, and know nothing of a screen; `dashboard`, `widgets` and `screens` draw.
"""
