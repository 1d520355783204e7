"""The names under which the system's service managers know the daemon."""

LABEL = "homebrew.mxcl.omlx"
"""launchd's label: the one that Homebrew gives the formula's own service, so that both are one job."""

UNIT = "omlx"
"""systemd's `omlx.service` and `omlx.socket`."""

SOCKET = "omlx"
"""The name under which a service manager hands over the TCP listener."""
