"""What nodes may call and with which secrets, as the environment tells."""

from __future__ import annotations

import ipaddress
from collections.abc import Mapping

from django.core.exceptions import ImproperlyConfigured

_SECRET = "NODE_SECRET_"
Network = ipaddress.IPv4Network | ipaddress.IPv6Network


def secrets(environment: Mapping[str, str]) -> dict[str, str]:
    """``NODE_SECRET_<NAME>`` by name."""
    return {
        name.removeprefix(_SECRET): value
        for name, value in environment.items()
        if name.startswith(_SECRET) and name != _SECRET and value
    }


def hosts_of_secrets(text: str) -> dict[str, frozenset[str]]:
    """From “ERP=erp.example,MODEL=api.example,MODEL=eu.api.example”."""
    found: dict[str, frozenset[str]] = {}
    for pair in filter(None, (part.strip() for part in text.split(","))):
        name, equals, host = pair.partition("=")
        if not (name and equals and host):
            raise ImproperlyConfigured(
                f"NODE_SECRETS_HOSTS is a list such as NAME=host.example, not {pair!r}"
            )
        found[name] = found.get(name, frozenset()) | {host.lower()}
    return found


def private(text: str) -> tuple[frozenset[str], tuple[Network, ...]]:
    """Names with or without a port, and networks, from “erp.local:8080,10.1.0.0/16”."""
    names, networks = set(), []
    for part in filter(None, (part.strip().lower() for part in text.split(","))):
        try:
            networks.append(ipaddress.ip_network(part))
        except ValueError:
            if "/" in part:
                raise ImproperlyConfigured(f"PRIVATE_HOSTS: {part!r} is no network") from None
            names.add(part)
    return frozenset(names), tuple(networks)
