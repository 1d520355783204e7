"""HTTP dialects over `core.ports`. The only part that knows Litestar; handlers translate and call, no more."""
