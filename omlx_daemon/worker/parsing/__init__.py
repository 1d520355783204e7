"""How models write reasoning and tool calls, and how an answer is split into them. Pure: text in, segments out."""
