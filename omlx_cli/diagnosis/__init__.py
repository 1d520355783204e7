"""What `omlx doctor` looks at. Each check returns a verdict, and the command that mends what is wrong."""
