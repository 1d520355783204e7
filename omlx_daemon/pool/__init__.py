"""The models in memory: slots, leases, eviction, and the life of each worker process. Event loop only."""
