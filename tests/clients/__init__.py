"""Clients of other projects, in an environment of their own: they need other versions than we test with."""
