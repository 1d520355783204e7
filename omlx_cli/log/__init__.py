"""The daemon's log as the CLI reads it: entries across rotated files, filtered, and followed as they are written."""
