"""What the CLI and the daemon agree on: routes, structs, errors, paths, settings, units.

Imports the standard library and msgspec only. It is the one part of `omlx_cli` that the daemon may import.
"""
