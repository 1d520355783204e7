"""The commands: one verb or noun group a file, each with its `command`. Parse, call, print; nothing else."""
