"""Pebble with the customer's DNS server: an order from start to a verified chain.

The client here is the plain one of the `acme` package, so that a fault of the operator's own
can't hide a fault of the set-up.
"""

import datetime
import socket
import threading
from collections.abc import Iterator

import dns.message
import dns.rrset
import josepy
import pytest
from acme import challenges, client, errors, messages
from cryptography import x509
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import ec, rsa
from cryptography.x509.verification import PolicyBuilder, Store

from customdomains.devcluster.pebble import Pebble
from customdomains.devcluster.tenantdns.handle import TenantDns

pytestmark = pytest.mark.acme

SECONDS = 30


@pytest.fixture
def acme(pebble: Pebble) -> Iterator[client.ClientV2]:
    key = josepy.JWKRSA(key=rsa.generate_private_key(public_exponent=65537, key_size=2048))
    net = client.ClientNetwork(key, verify_ssl=str(pebble.ca_file), timeout=SECONDS)
    directory = client.ClientV2.get_directory(pebble.directory_url, net)
    session = client.ClientV2(directory, net)
    session.new_account(messages.NewRegistration.from_data(terms_of_service_agreed=True))
    yield session
    net.session.close()


def signing_request(name: str) -> bytes:
    request = x509.CertificateSigningRequestBuilder().subject_name(x509.Name([]))
    names = x509.SubjectAlternativeName([x509.DNSName(name)])
    request = request.add_extension(names, critical=False)
    signed = request.sign(ec.generate_private_key(ec.SECP256R1()), hashes.SHA256())
    return signed.public_bytes(serialization.Encoding.PEM)


def challenge_of(order: messages.OrderResource) -> messages.ChallengeBody:
    (authorization,) = order.authorizations
    (found,) = [c for c in authorization.body.challenges if isinstance(c.chall, challenges.DNS01)]
    return found


def deadline() -> datetime.datetime:
    # The acme package compares with naive local time.
    return datetime.datetime.now() + datetime.timedelta(seconds=SECONDS)  # noqa: DTZ005


def finish(acme: client.ClientV2, order: messages.OrderResource) -> messages.OrderResource:
    challenge = challenge_of(order)
    acme.answer_challenge(challenge, challenge.chall.response(acme.net.key))
    return acme.poll_and_finalize(order, deadline())


def verify(pebble: Pebble, chain: str, name: str) -> None:
    leaf, *intermediates = x509.load_pem_x509_certificates(chain.encode())
    roots = Store(x509.load_pem_x509_certificates(pebble.roots()))
    PolicyBuilder().store(roots).build_server_verifier(x509.DNSName(name)).verify(
        leaf, intermediates
    )


def test_a_record_set_by_hand_gets_a_certificate(
    acme: client.ClientV2, pebble: Pebble, tenant_dns: TenantDns
) -> None:
    order = acme.new_order(signing_request("hand.example.org"))
    digest = challenge_of(order).chall.validation(acme.net.key)
    tenant_dns.set_txt("_acme-challenge.hand.example.org", "something else", digest)
    verify(pebble, finish(acme, order).fullchain_pem, "hand.example.org")


def test_a_delegated_challenge_gets_a_certificate(
    acme: client.ClientV2, pebble: Pebble, tenant_dns: TenantDns, responder_address: str
) -> None:
    alias = "id.delegated.example.net"
    tenant_dns.set_cname("_acme-challenge.delegating.example.org", alias)
    order = acme.new_order(signing_request("delegating.example.org"))
    with responder(responder_address, challenge_of(order).chall.validation(acme.net.key)):
        certificate = finish(acme, order).fullchain_pem
    verify(pebble, certificate, "delegating.example.org")


def test_without_the_record_there_is_none(acme: client.ClientV2, tenant_dns: TenantDns) -> None:
    tenant_dns.set_txt("_acme-challenge.wrong.example.org", "something else")
    order = acme.new_order(signing_request("wrong.example.org"))
    with pytest.raises(errors.ValidationError):
        finish(acme, order)


class responder:  # noqa: N801 - used like a function
    """A DNS server that gives one TXT value to whatever it is asked, over UDP."""

    def __init__(self, address: str, value: str) -> None:
        host, port = address.split(":")
        self._value = value
        self._socket = socket.socket(socket.AF_INET, socket.SOCK_DGRAM)
        self._socket.bind((host, int(port)))
        self._thread = threading.Thread(target=self._serve)

    def __enter__(self) -> None:
        self._thread.start()

    def __exit__(self, *_: object) -> None:
        # A datagram to itself that is no query ends it.
        self._socket.sendto(b"", self._socket.getsockname())
        self._thread.join(SECONDS)
        self._socket.close()

    def _serve(self) -> None:
        while True:
            wire, sender = self._socket.recvfrom(1232)
            if not wire:
                return
            query = dns.message.from_wire(wire)
            response = dns.message.make_response(query)
            name = query.question[0].name
            response.answer.append(dns.rrset.from_text(name, 1, "IN", "TXT", self._value))
            self._socket.sendto(response.to_wire(), sender)
