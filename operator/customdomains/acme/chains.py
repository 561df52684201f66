"""Which of the chains that a CA offers for a certificate is taken (RFC 8555 section 7.4.2)."""

from __future__ import annotations

import logging
from collections.abc import Callable

from cryptography import x509
from cryptography.x509.oid import NameOID

from customdomains.acme.account import Account
from customdomains.acme.errors import ProblemError, bounded
from customdomains.acme.exchange import Answer
from customdomains.acme.transport import PEM_CHAIN
from customdomains.model.certificate import IssuedCertificate, OrderError
from customdomains.model.reasons import Reason

log = logging.getLogger(__name__)

_MOST_ALTERNATES = 8
_LATER = frozenset({Reason.CA_UNREACHABLE, Reason.CA_RATE_LIMITED})


async def choose_chain(
    account: Account,
    first: Answer,
    check: Callable[[bytes], IssuedCertificate],
    wanted: str,
) -> IssuedCertificate:
    """The certificate with the chain whose last certificate was issued by `wanted`.

    `first` is the CA's default and `check` judges a chain as `check_certificate` does; what it
    raises for the default is raised. Where no chain leads to `wanted`, the default is taken: a
    certificate with another chain is better than none.
    """
    default = check(first.body)
    offered = [_root_name(default)]
    if offered[0] == wanted:
        return default
    for url in first.alternates[:_MOST_ALTERNATES]:
        try:
            chain = check((await account.read(url, accept=PEM_CHAIN)).body)
        except (ProblemError, OrderError) as error:
            log.warning("a chain that the CA offers can't be used: %s", error)
            if isinstance(error, OrderError) and error.reason in _LATER:
                break
            continue
        offered.append(_root_name(chain))
        if offered[-1] == wanted:
            return chain
    log.warning(
        "the CA offers no chain to %r, only to %s; the first is used",
        wanted,
        ", ".join(repr(bounded(name)) for name in offered),
    )
    return default


def _root_name(issued: IssuedCertificate) -> str:
    """The common name of who issued the chain's last certificate; `""` where there is none."""
    last = x509.load_pem_x509_certificates(issued.chain_pem.encode())[-1]
    names = last.issuer.get_attributes_for_oid(NameOID.COMMON_NAME)
    return str(names[0].value) if names else ""
