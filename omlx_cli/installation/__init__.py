"""This installation: where its parts lie, its way onto the PATH, its removal."""
