"""The certificate engine: an asynchronous client of ACME (RFC 8555) for one issuer.

Messages, keys and signatures are those of `acme`, `josepy` and `cryptography`; the transport
on aiohttp is our own. The engine keeps no state that matters: an order is taken up again
from its URL, the account from its key. It neither answers challenges nor stores
certificates; its callers do, through the ports `AccountKeyStore` and `CertificateEngine`.
"""

from customdomains.acme.account import AccountKeyStore
from customdomains.acme.engine import AcmeEngine
from customdomains.acme.examining import PemExaminer
from customdomains.acme.keys import generate_private_key_pem
from customdomains.acme.options import ExternalAccount, IssuerOptions
from customdomains.acme.timing import Timing

__all__ = [
    "AccountKeyStore",
    "AcmeEngine",
    "ExternalAccount",
    "IssuerOptions",
    "PemExaminer",
    "Timing",
    "generate_private_key_pem",
]
