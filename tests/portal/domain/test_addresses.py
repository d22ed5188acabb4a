from ipaddress import ip_address

import pytest

from portal.domain.addresses import (
    ForbiddenAddress,
    check_address,
    check_all,
    is_public,
    read_url,
)
from portal.errors import Invalid, Refusal
from tests.nasty_urls import NASTY, NOT_PUBLIC


@pytest.mark.parametrize("url", NASTY)
def test_nothing_nasty_is_a_target(url):
    with pytest.raises(Refusal):
        read_url(url)


@pytest.mark.parametrize("url", NASTY)
def test_that_one_host_is_allowed_opens_no_other(url):
    with pytest.raises(Refusal):
        read_url(url, allowed={"other.example.com", "203.0.114.9:9000"})


@pytest.mark.parametrize("address", NOT_PUBLIC)
def test_no_name_may_lead_there(address):
    with pytest.raises(ForbiddenAddress):
        check_all(["93.184.215.14", address], is_allowed=False)


@pytest.mark.parametrize(
    "address",
    [
        *("93.184.215.14", "1.1.1.1", "100.63.255.255", "100.128.0.1"),
        *("172.15.255.255", "172.32.0.1", "2606:4700::6810:84e5"),
        "2a00:1450:4001:82a::200e",
    ],
)
def test_addresses_of_the_public_network_may_be_spoken_to(address):
    assert is_public(ip_address(address))
    assert check_address(address, is_allowed=False) == address


@pytest.mark.parametrize(
    ("url", "host", "port", "path"),
    [
        ("https://hooks.example.com", "hooks.example.com", 443, "/"),
        ("https://HOOKS.Example.com./a?b=c", "hooks.example.com", 443, "/a?b=c"),
        ("https://hooks.example.com:8443/a", "hooks.example.com", 8443, "/a"),
        ("https://1.1.1.1/a", "1.1.1.1", 443, "/a"),
        ("https://[2606:4700:0::6810:84e5]/", "2606:4700::6810:84e5", 443, "/"),
        ("https://xn--nxasmq6b.example.com/", "xn--nxasmq6b.example.com", 443, "/"),
    ],
)
def test_a_public_target_is_read_in_one_way(url, host, port, path):
    target = read_url(url)

    assert (target.host, target.port, target.path) == (host, port, path)
    assert not target.is_allowed


def test_an_allowed_host_may_be_private_and_speak_plain_http():
    target = read_url("http://10.1.2.3:9000/x", allowed={"10.1.2.3:9000"})

    assert target.is_allowed
    assert target.authority == "10.1.2.3:9000"
    assert check_address("10.1.2.3", is_allowed=True)


def test_a_host_that_is_allowed_on_one_port_is_allowed_on_no_other():
    with pytest.raises(ForbiddenAddress):
        read_url("http://10.1.2.3:9001/x", allowed={"10.1.2.3:9000"})


@pytest.mark.parametrize(
    "address",
    [
        *("169.254.169.254", "0.0.0.0", "224.0.0.1", "255.255.255.255", "fe80::1"),
        *("::", "::ffff:169.254.169.254", "64:ff9b::a9fe:a9fe", "fd00:ec2::254"),
        *("ff02::1", "100.100.100.200", "2002:7f00:1::", "not an address"),
    ],
)
def test_even_an_allowed_host_is_never_a_metadata_service_or_no_host_at_all(address):
    with pytest.raises(ForbiddenAddress):
        check_address(address, is_allowed=True)


def test_a_name_that_leads_nowhere_is_refused():
    with pytest.raises(ForbiddenAddress):
        check_all([], is_allowed=False)


def test_a_refusal_says_which_field_and_names_the_way_out():
    with pytest.raises(ForbiddenAddress) as refused:
        read_url("https://127.0.0.1/")

    assert refused.value.facts["errors"][0]["pointer"] == "/target"
    assert "WEBHOOK_ALLOWED_HOSTS" in str(refused.value)
    with pytest.raises(Invalid):
        read_url("ftp://hooks.example.com/")
