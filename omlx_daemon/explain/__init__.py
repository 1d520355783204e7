"""What the daemon adds to a worker's word on a miss: why blocks went, what a model was before, what to do."""
