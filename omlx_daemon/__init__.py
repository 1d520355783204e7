"""The per-user daemon: an asyncio process without mlx, and one worker process for each loaded model."""
