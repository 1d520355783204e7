"""Anthropic's dialect: bodies to generation requests, events to messages. Pure but for `answer`, `count`, `routes`."""
