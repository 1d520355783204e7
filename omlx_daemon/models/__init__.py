"""The models on disk: registry, catalog, pull, fingerprint. Never loads one."""
