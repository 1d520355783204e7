"""Makes prompts stable before a model sees them, by visible rules. Pure but for the counts."""
