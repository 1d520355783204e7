"""What opens over the panels: pages of detail, questions, prompts."""
