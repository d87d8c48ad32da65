"""Ports on the loopback address."""

import random
import socket
from pathlib import Path

from config.embedded import locations

# Below the range from which the kernel takes ports for outgoing connections: a client that
# reconnects in a loop could else be given the very port that its server needs back.
PRIVATE_PORTS = range(20_000, 32_000)


def is_free(port: int) -> bool:
    with socket.socket() as probe:
        # A port whose last connections still linger can be listened on all the same.
        probe.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        try:
            probe.bind(("127.0.0.1", port))
        except OSError:
            return False
    return True


def free_port() -> int:
    return next(port for port in random.sample(PRIVATE_PORTS, 1000) if is_free(port))


def kept_port(path: Path) -> int:
    """The port kept in `path`; another one where none is kept or somebody else has taken it."""
    kept = locations.read(path)
    if kept.isdecimal() and is_free(int(kept)):
        return int(kept)
    port = free_port()
    path.write_text(f"{port}\n")
    return port
