"""What stands on the screen. A widget is shown lines of spans and draws them; it computes no figure."""
