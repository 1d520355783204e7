"""Grammars at work: compiled for a model's vocabulary, followed token by token."""
