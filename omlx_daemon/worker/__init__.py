"""One process for one loaded model. The only part of the daemon that imports mlx, and only in `backend`."""
