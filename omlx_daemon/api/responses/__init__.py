"""OpenAI's Responses: one turn of a conversation in typed items, whole or as a stream of events."""
