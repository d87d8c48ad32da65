"""What the environment tells of hosts and secrets."""

import ipaddress

import pytest
from django.core.exceptions import ImproperlyConfigured

from config import outside


def test_secrets_are_named_by_what_follows():
    told = {"NODE_SECRET_SHOP": "x", "NODE_SECRET_": "y", "NODE_SECRET_NONE": "", "OTHER": "z"}
    assert outside.secrets(told) == {"SHOP": "x"}


def test_a_secret_may_be_bound_to_several_hosts():
    found = outside.hosts_of_secrets("ERP=erp.example, MODEL=a.example,MODEL=B.example,")
    assert found == {"ERP": {"erp.example"}, "MODEL": {"a.example", "b.example"}}
    with pytest.raises(ImproperlyConfigured, match="NODE_SECRETS_HOSTS"):
        outside.hosts_of_secrets("ERP")


def test_private_hosts_are_names_addresses_and_networks():
    names, networks = outside.private("erp.local:8080,10.0.0.0/8,127.0.0.1,::1,Box")
    assert names == {"erp.local:8080", "box"}
    assert networks == tuple(map(ipaddress.ip_network, ("10.0.0.0/8", "127.0.0.1/32", "::1/128")))
    with pytest.raises(ImproperlyConfigured, match="is no network"):
        outside.private("10.0.0.1/8")
