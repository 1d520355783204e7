"""The live dashboard, and what it is fed with."""
