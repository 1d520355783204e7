"""OpenAI's dialect: bodies to generation requests, events to replies and chunks. Pure but for `answer` and `routes`."""
