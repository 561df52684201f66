"""An edge proxy gets certificates during handshakes: for names that are proved, for no others."""

import ssl
import urllib.error
import urllib.request
from collections.abc import Iterator

import pytest

from customdomains.devcluster.binaries import find_caddy
from e2e.caddy import Caddy
from e2e.domains import Domain
from e2e.stage import Stage
from e2e.waiting import until

pytestmark = [pytest.mark.cluster, pytest.mark.acme]


@pytest.fixture
def caddy(stage: Stage, backend) -> Iterator[Caddy]:
    """A Caddy that asks the api process."""
    caddy = Caddy(find_caddy(), stage.directory / "caddy", stage.api.ask_url)
    try:
        caddy.start()
        yield caddy
    finally:
        caddy.stop()


def serves(caddy: Caddy, name: str) -> bool:
    """Whether a visitor gets in, with a certificate for exactly this name."""
    try:
        names, answer = caddy.visit(name)
    except ssl.SSLError as error:
        if "ALERT" not in str(error):  # Caddy says that it has no certificate; else it is trouble
            raise
        return False
    assert names == [name]
    assert answer.startswith("HTTP/1.1 200 ")
    assert answer.endswith(f"this is {name}")
    return True


def prove(domain: Domain, **spec: object) -> Domain:
    """Registered, and its token set by hand."""
    domain.create(**spec)
    status = domain.wait(lambda status: status.get("records"), "records to set")
    domain.set_txt(status["verificationToken"])
    domain.check()
    domain.wait_phase("verified")
    return domain


def answers(stage: Stage) -> dict[str, float]:
    """How many edge proxies were told what, by code."""
    with urllib.request.urlopen(stage.api.metrics_url("api"), timeout=10) as metrics:  # noqa: S310
        lines = metrics.read().decode().splitlines()
    found = (line.split('"') for line in lines if line.startswith("customdomains_ask_requests_t"))
    return {code: float(count.removeprefix("} ")) for _, code, count in found}


def test_caddy_serves_what_is_proved_also_while_the_api_server_is_away(
    stage: Stage, namespace, caddy
):
    names = {label: stage.domain(namespace, label) for label in ("shop", "later", "waiting")}
    shop, later, waiting = names.values()
    assert not serves(caddy, shop.domain), "nobody has registered it"
    waiting.create()
    waiting.wait(lambda status: status.get("records"), "records to set")
    assert not serves(caddy, waiting.domain), "nothing proves it yet"
    prove(shop)
    prove(later)
    until(lambda: serves(caddy, shop.domain), "the api has heard of the proof", explain=caddy.log)
    assert set(answers(stage)) == {"200", "404"}

    wildcard = stage.domain(namespace, "wild")
    wildcard.create(wildcard=True)
    wildcard.bring_to_active()
    until(lambda: serves(caddy, f"any.{wildcard.domain}"), "covered", explain=caddy.log)
    assert not serves(caddy, f"two.labels.{wildcard.domain}")

    # Its Lease is shorter than any start of an API server.
    stage.stop_controller()
    stage.plane.stop_apiserver()
    try:
        told = answers(stage)
        assert serves(caddy, later.domain), "asked for the first time now"
        assert serves(caddy, f"first.{wildcard.domain}")
        assert not serves(caddy, waiting.domain)
        assert not serves(caddy, f"unknown.{shop.domain}")
        assert all(count > told[code] for code, count in answers(stage).items())
    finally:
        stage.plane.start_apiserver()

    shop.delete()
    stage.start_controller()
    # Caddy has a certificate for it already, and that is for Caddy to keep; we don't say yes again.
    ask = f"{stage.api.ask_url}?domain={shop.domain}"
    until(lambda: code_of(ask) == 404, "the api has heard that it is given up")


def code_of(url: str) -> int:
    """The status of a GET."""
    try:
        with urllib.request.urlopen(url, timeout=10) as answer:  # noqa: S310 - of our own
            return answer.status
    except urllib.error.HTTPError as error:
        return error.code
