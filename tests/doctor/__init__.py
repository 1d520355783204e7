"""`omlx doctor`: every verdict on a real state of things."""
