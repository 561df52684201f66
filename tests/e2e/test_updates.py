"""Names in a zone that the platform runs: challenges are answered by signed updates to Knot."""

import base64
from collections.abc import Iterator
from pathlib import Path

import dns.message
import dns.query
import dns.rdatatype
import dns.tsig
import dns.tsigkeyring
import dns.update
import pytest
from programs.debian import SERVERS, why_not
from realdns.processes import Knot, UpdateKey

from customdomains.devcluster.binaries import Binaries
from customdomains.devcluster.operatorprocs import ISSUER
from customdomains.devcluster.pebble import Pebble
from customdomains.devcluster.rundir import free_port
from customdomains.devcluster.tenantdns.handle import TenantDns
from e2e.domains import Domain
from e2e.stage import Stage
from e2e.waiting import until

pytestmark = [pytest.mark.cluster, pytest.mark.acme]

ZONE = "tenants-of-ours.net"
KEY = UpdateKey("customdomains", base64.b64encode(b"k" * 32).decode())
FILE = f"""$ORIGIN {ZONE}.
@ 300 SOA ns hostmaster 1 3600 600 86400 1
@ 300 NS ns
ns 300 A 127.0.0.1
"""


class Platform:
    """The platform's own zone, at a Knot, and a CA that finds it."""

    def __init__(self, binaries: Binaries, directory: Path) -> None:
        self.knot = Knot(directory / "knot", ["127.0.0.1"], free_port())
        self.dns = TenantDns(directory / "dns", forward={ZONE: self.knot.address})
        self.pebble = Pebble(
            binaries.pebble,
            directory / "pebble",
            resolver=self.dns.address,
            retry_after_seconds=0,
        )
        self.key_file = directory / "tsig"
        self.key_file.write_text(KEY.secret)

    def start(self) -> None:
        self.knot.configure({ZONE: FILE}, key=KEY)
        self.knot.launch()
        self.knot.wait([ZONE])
        self.dns.start()
        self.pebble.start()

    def stop(self) -> None:
        self.pebble.stop()
        self.dns.stop()
        self.knot.stop()

    def settings(self, **updated: str) -> dict[str, object]:
        """What the operator's settings say of all this."""
        issuer = {
            "name": ISSUER,
            "directoryURL": self.pebble.directory_url,
            "caBundle": str(self.pebble.ca_file),
        }
        zone = {
            "zone": ZONE,
            "server": self.knot.address,
            "keyName": KEY.name,
            "keyFile": str(self.key_file),
        }
        return {
            "lookups": {"mode": "Recursive", "resolvers": [self.dns.address]},
            "issuers": [issuer],
            "updates": [zone | updated],
        }

    def set_txt(self, name: str, value: str) -> None:
        """What somebody with access to the zone does."""
        keyring = dns.tsigkeyring.from_text({KEY.name: (dns.tsig.HMAC_SHA256, KEY.secret)})
        update = dns.update.UpdateMessage(ZONE, keyring=keyring)
        update.add(f"{name}.", 1, "TXT", value)
        response = dns.query.tcp(update, *self._server())
        assert response.rcode() == 0, response

    def texts(self, name: str) -> set[str]:
        """The TXT records at a name."""
        response = dns.query.tcp(dns.message.make_query(name, "TXT"), *self._server())
        return {
            rdata.strings[0].decode()
            for rrset in response.answer
            if rrset.rdtype == dns.rdatatype.TXT
            for rdata in rrset
        }

    def _server(self) -> tuple[str, float, int]:
        return self.knot.addresses[0], 5.0, self.knot.port


@pytest.fixture(scope="module")
def platform(binaries: Binaries, run_dir: Path) -> Iterator[Platform]:
    """All of it, running."""
    if (reason := why_not(SERVERS, "DNS servers")) is not None:
        pytest.skip(reason)
    directory = run_dir / "platform"
    directory.mkdir()
    platform = Platform(binaries, directory)
    try:
        platform.start()
        yield platform
    finally:
        platform.stop()


@pytest.fixture
def domain(stage: Stage, platform: Platform, namespace: str) -> Domain:
    """A name in the platform's zone."""
    stage.forget_account()  # that of another CA
    return stage.domain(namespace, parent=ZONE)


def prove(domain: Domain, platform: Platform) -> str:
    """Set the token by hand; returns it."""
    status = domain.wait(lambda status: status.get("verificationToken"), "a token")
    token: str = status["verificationToken"]
    platform.set_txt(domain.challenge_name, token)
    domain.check()
    return token


def test_a_proof_by_hand_is_enough_for_a_certificate(
    stage: Stage, platform: Platform, domain: Domain
):
    with stage.another_controller(**platform.settings()):
        domain.create(wildcard=True)
        token = prove(domain, platform)
        status = domain.wait_phase("active")
        assert status["certificate"]["challenge"] == "dns-01"
        assert not domain.records("Challenge")
        until(
            lambda: platform.texts(domain.challenge_name) == {token},
            "only the token is left",
            explain=lambda: platform.texts(domain.challenge_name),
        )
    stage.forget_account()


def test_a_zone_that_refuses_is_told_of(stage: Stage, platform: Platform, domain: Domain):
    with stage.another_controller(**platform.settings(keyName="somebody-else")):
        domain.create()
        token = prove(domain, platform)
        status = domain.wait(
            lambda status: "UpdateFailed" in str(status.get("conditions")), "the reason"
        )
        condition = next(c for c in status["conditions"] if c["type"] == "CertificateIssued")
        assert condition["reason"] == "UpdateFailed"
        assert f"into the zone {ZONE}" in condition["message"]
        assert "does not know the TSIG key" in condition["message"]
        assert platform.texts(domain.challenge_name) == {token}
    stage.forget_account()
