"""What an issuer's settings and the account's life mean for domains, through the processes."""

import base64
import subprocess
import sys

import pytest
import yaml
from cryptography import x509
from cryptography.hazmat.primitives import serialization
from cryptography.hazmat.primitives.asymmetric import ec, rsa

from customdomains.devcluster.operatorprocs import ISSUER
from e2e.domains import Domain
from e2e.stage import OPERATOR_NAMESPACE, Stage

pytestmark = [pytest.mark.cluster, pytest.mark.acme]

ACCOUNT = f"/api/v1/namespaces/{OPERATOR_NAMESPACE}/secrets/acme-account-{ISSUER}"


def account_data(stage: Stage) -> dict[str, str]:
    """What the account's Secret holds."""
    data: dict[str, str] = stage.plane.request("GET", ACCOUNT)["data"]
    return data


def customdomains(stage: Stage, *arguments: str) -> subprocess.CompletedProcess[str]:
    """A command, where and as the controller runs."""
    config = stage.controller.config
    command = [sys.executable, "-m", "customdomains", *arguments]
    options = ["--config", config, "--kubeconfig", config.with_name("kubeconfig")]
    return subprocess.run(
        [*command, *map(str, options)], capture_output=True, text=True, timeout=60, check=False
    )


def key_of(domain: Domain):
    """The private key in the TLS Secret, which is the certificate's."""
    secret = domain.secret()
    assert secret is not None
    pem, chain = (base64.b64decode(secret["data"][name]) for name in ("tls.key", "tls.crt"))
    key = serialization.load_pem_private_key(pem, None)
    leaf = x509.load_pem_x509_certificates(chain)[0]
    assert leaf.public_key() == key.public_key()
    return key


def serial(status) -> str:
    """The serial number of the certificate that a status tells of."""
    found: str = status.get("certificate", {}).get("serialNumber", "")
    return found


def renewed(domain: Domain, before: str) -> str:
    """The serial number of the next certificate."""
    return serial(domain.wait(lambda status: serial(status) not in {"", before}, "a new one"))


def test_the_account_gets_a_new_key_under_a_running_controller(stage: Stage, domain: Domain):
    first = serial(domain.create().bring_to_active())
    before = account_data(stage)
    done = customdomains(stage, "account", "rollover", "--issuer", ISSUER)
    assert done.returncode == 0, done.stderr
    assert done.stdout.startswith(f"the account {stage.ca.url}/my-account/")
    after = account_data(stage)
    assert set(after) == {"account.key"}
    assert after != before
    domain.issue()
    renewed(domain, first)
    stage.domain(domain.namespace, "later").create().bring_to_active()
    for told in (stage.log(), done.stdout, done.stderr):
        assert "PRIVATE KEY" not in told
        assert "Traceback" not in told


def test_what_a_rollover_can_t_do_is_said(stage: Stage):
    done = customdomains(stage, "account", "rollover", "--issuer", "nobody")
    assert (done.returncode, done.stdout) == (2, "")
    assert f"there is no issuer 'nobody'; the settings name: {ISSUER}" in done.stderr
    stage.stop_controller()
    stage.forget_account()
    done = customdomains(stage, "account", "rollover", "--issuer", ISSUER)
    assert (done.returncode, done.stdout) == (1, "")
    assert f"There is no account at the CA '{ISSUER}' yet" in done.stderr
    assert "Traceback" not in done.stderr


def test_the_kind_of_key_that_a_domain_wants(stage: Stage, domain: Domain):
    wanted = {"privateKey": {"algorithm": "RSA"}}
    first = serial(domain.create(certificate=wanted).bring_to_active())
    assert isinstance(key_of(domain), rsa.RSAPrivateKey)
    assert key_of(domain).key_size == 2048
    wanted = {"privateKey": {"algorithm": "ECDSA", "size": 384}}
    domain.patch({"spec": {"certificate": wanted}})
    second = renewed(domain, first)
    assert isinstance(key_of(domain), ec.EllipticCurvePrivateKey)
    assert key_of(domain).key_size == 384
    # Whoever has no wish (any more) keeps what there is.
    domain.patch({"spec": {"certificate": {"privateKey": None}}})
    assert serial(domain.wait_checked()) == second


@pytest.mark.parametrize("rotation", ["Always", "Reuse"])
def test_whether_the_next_certificate_has_a_new_key(stage: Stage, domain: Domain, rotation: str):
    issuer = yaml.safe_load(stage.controller.config.read_text())["issuers"][0]
    issuer["privateKey"] = {"rotation": rotation}
    stage.stop_controller()
    stage.free_lease()
    controller = stage.operator("controller")
    controller.launch("controller", CUSTOMDOMAINS_ISSUERS=yaml.safe_dump([issuer]))
    try:
        controller.wait_ready("controller")
        first, key = serial(domain.create().bring_to_active()), key_of(domain)
        domain.issue()
        renewed(domain, first)
        assert (key_of(domain).private_numbers() == key.private_numbers()) is (rotation == "Reuse")
        assert "Traceback" not in controller.log_of("controller").read_text()
    finally:
        controller.stop()
