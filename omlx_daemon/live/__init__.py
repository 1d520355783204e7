"""The daemon as it is watched: what happened, what changed, and who is told."""
