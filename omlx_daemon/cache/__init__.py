"""The daemon's side of the KV cache: the ledger off the event loop, workers' accounts, one memory budget, figures."""
