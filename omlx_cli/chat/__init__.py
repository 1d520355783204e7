"""The interactive chat: `conversation` is its state and its commands, `terminal` the keys and the screen."""
