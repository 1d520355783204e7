"""The daemon's paths, as CLI and daemon both spell them."""

HEALTH = "/health"
READY = "/health/ready"

STATUS = "/omlx/v1/status"
PS = "/omlx/v1/ps"
MODELS = "/omlx/v1/models"
SHOW = "/omlx/v1/models/show"
PULL = "/omlx/v1/models/pull"
REMOVE = "/omlx/v1/models/rm"
LOAD = "/omlx/v1/models/load"
UNLOAD = "/omlx/v1/models/unload"
PIN = "/omlx/v1/models/pin"
UNPIN = "/omlx/v1/models/unpin"
SHUTDOWN = "/omlx/v1/shutdown"

OPENAI_MODELS = "/v1/models"
CHAT_COMPLETIONS = "/v1/chat/completions"
COMPLETIONS = "/v1/completions"

STREAM_TYPE = "application/x-ndjson"
"""Media type of streamed control replies: one JSON object a line."""
