"""Nothing is spoken to that may not be, whoever names it and however."""

import datetime
import socket
import ssl

import pytest
from cryptography import x509
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.x509.oid import NameOID

from portal.domain.addresses import ForbiddenAddress, Target, read_url
from portal.errors import Refusal
from portal.services import outbound
from portal.services.outbound import Unreached
from tests.nasty_urls import NASTY, NOT_PUBLIC
from tests.receiver import a_receiver, answers, eventually

LIMIT_S = 5.0


def speak(target: Target, **how) -> outbound.Answer:
    return outbound.post(target, b"{}", {}, limit_s=LIMIT_S, **how)


def test_a_hundred_nasty_urls_make_no_connection():
    """Each is aimed at a socket that really listens, where it names a port at all."""
    assert len(NASTY) > 60
    with a_receiver(answers(200)) as receiver:
        for url in NASTY:
            with pytest.raises(Refusal):
                speak(read_url(url.replace("{port}", str(receiver.port))))
        # The counter counts: this is what a connection looks like.
        socket.create_connection(("127.0.0.1", receiver.port)).close()
        assert eventually(lambda: receiver.connections)

    assert receiver.connections == 1


@pytest.mark.parametrize("address", NOT_PUBLIC)
def test_a_name_that_leads_to_a_private_address_makes_no_connection(address):
    with a_receiver(answers(200)) as receiver:
        target = Target("http", "hooks.example.com", receiver.port, "/", False)

        with pytest.raises(ForbiddenAddress):
            speak(target, resolve=lambda host, port: [address])

    assert receiver.connections == 0


def test_a_name_is_asked_for_once_so_that_it_cannot_change_its_mind():
    """First a public address, then a private one: DNS rebinding."""
    asked = []
    answers_to_come = [["127.0.0.1"], ["169.254.169.254"]]

    def resolve(host, port):
        asked.append(host)
        return answers_to_come.pop(0)

    with a_receiver(answers(200)) as receiver:
        # Nobody knows this name: a second question would fail.
        target = Target("http", "rebinding.invalid", receiver.port, "/", True)
        assert speak(target, resolve=resolve).status == 200

    assert asked == ["rebinding.invalid"]
    assert receiver.requests[0].headers["host"] == target.authority


def test_one_private_address_among_public_ones_is_enough():
    with a_receiver(answers(200)) as receiver:
        target = Target("http", "hooks.example.com", receiver.port, "/", False)
        with pytest.raises(ForbiddenAddress):
            speak(target, resolve=lambda host, port: ["93.184.215.14", "127.0.0.1"])

    assert receiver.connections == 0


def test_the_systems_own_names_of_this_host_are_found_out():
    with a_receiver(answers(200)) as receiver:
        target = Target("http", "localhost", receiver.port, "/", False)
        with pytest.raises(ForbiddenAddress):
            speak(target)

    assert receiver.connections == 0


@pytest.mark.parametrize(
    "host",
    [
        *("127.0.0.1", "2130706433", "0x7f000001", "0177.0.0.1", "127.1", "0x7f.1"),
        *("017700000001", "0", "0.0.0.0", "::1", "::", "::ffff:127.0.0.1", "localhost"),
    ],
)
def test_what_the_system_makes_of_a_host_is_looked_at_first(host):
    """The socket hears every address of this machine, and the system reads the host."""
    with socket.create_server(
        ("::", 0), family=socket.AF_INET6, dualstack_ipv6=True
    ) as listening:
        listening.setblocking(False)
        port = listening.getsockname()[1]

        with pytest.raises(ForbiddenAddress):
            speak(Target("http", host, port, "/", False))

        with pytest.raises(BlockingIOError):
            listening.accept()
        # Without the look there would be a connection.
        socket.create_connection((host, port)).close()
        listening.accept()[0].close()


def test_proxies_of_the_environment_are_not_asked(monkeypatch):
    with a_receiver(answers(200)) as proxy, a_receiver(answers(204)) as receiver:
        for name in ("http_proxy", "HTTP_PROXY", "all_proxy", "ALL_PROXY"):
            monkeypatch.setenv(name, proxy.url)
        target = Target("http", "127.0.0.1", receiver.port, "/", True)
        assert speak(target).status == 204

    assert proxy.connections == 0


def test_a_name_that_nobody_knows_is_said_to_be_unknown():
    with pytest.raises(Unreached, match="not known"):
        outbound.resolve("nobody-knows-this.invalid", 443)


def test_nobody_listening_is_said_in_words():
    with socket.create_server(("127.0.0.1", 0)) as listener:
        port = listener.getsockname()[1]

    with pytest.raises(Unreached, match="No connection"):
        speak(Target("http", "127.0.0.1", port, "/", True))


# TLS asks for the name, though the connection goes to the address


@pytest.fixture
def certified(tmp_path):
    """Both sides of TLS for hooks.example.com, and the names that were asked for."""
    key = ec.generate_private_key(ec.SECP256R1())
    name = x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, "hooks.example.com")])
    now = datetime.datetime.now(datetime.UTC)
    certificate = (
        x509.CertificateBuilder()
        .subject_name(name)
        .issuer_name(name)
        .public_key(key.public_key())
        .serial_number(1)
        .not_valid_before(now - datetime.timedelta(days=1))
        .not_valid_after(now + datetime.timedelta(days=1))
        .add_extension(
            x509.SubjectAlternativeName([x509.DNSName("hooks.example.com")]), False
        )
        .add_extension(x509.BasicConstraints(ca=True, path_length=None), True)
        .sign(key, hashes.SHA256())
    )
    pem = tmp_path / "both.pem"
    pem.write_bytes(
        key.private_bytes(
            serialization.Encoding.PEM,
            serialization.PrivateFormat.PKCS8,
            serialization.NoEncryption(),
        )
        + certificate.public_bytes(serialization.Encoding.PEM)
    )
    server = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    server.load_cert_chain(pem)
    asked_for: list[str | None] = []
    server.sni_callback = lambda sock, name, context: asked_for.append(name)
    client = ssl.create_default_context(
        cadata=certificate.public_bytes(serialization.Encoding.PEM).decode()
    )
    return server, client, asked_for


def test_tls_is_for_the_name_and_the_connection_for_the_address(certified):
    server, client, asked_for = certified

    def wrap(peer):
        return server.wrap_socket(peer, server_side=True)

    with a_receiver(answers(200), wrap=wrap) as receiver:
        target = Target("https", "hooks.example.com", receiver.port, "/x", True)
        answer = speak(target, resolve=lambda host, port: ["127.0.0.1"], tls=client)

    assert answer.status == 200
    assert asked_for == ["hooks.example.com"]
    assert receiver.requests[0].line == "POST /x HTTP/1.1"


def test_a_certificate_for_another_name_is_refused(certified):
    server, client, _ = certified

    def wrap(peer):
        return server.wrap_socket(peer, server_side=True)

    with a_receiver(answers(200), wrap=wrap) as receiver:
        target = Target("https", "other.example.com", receiver.port, "/x", True)
        with pytest.raises(Unreached, match=r"(?i)certificate|mismatch"):
            speak(target, resolve=lambda host, port: ["127.0.0.1"], tls=client)

    assert receiver.requests == []
