"""Messages between the daemon and a worker, over one socketpair.

A frame is a little-endian uint32 length and one msgpack document. Either side ends the conversation by
closing its end: a worker whose daemon is gone exits, a daemon whose worker is gone fails its requests.
"""
