"""The daemon's log: what it says of requests and workers, and how `omlx logs` finds it."""
