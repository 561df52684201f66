"""Signs zones, also with signatures that nobody may believe any more."""

from datetime import UTC, datetime, timedelta

import dns.dnssec
import dns.name
import dns.rdata
import dns.zone
from cryptography.hazmat.primitives.asymmetric import ec

DAY = timedelta(days=1)


class Signer:
    """A zone's key (ECDSA P-256, one for everything), and what it makes of zone files."""

    def __init__(self, origin: str) -> None:
        self.origin = dns.name.from_text(origin)
        self._key = ec.generate_private_key(ec.SECP256R1())
        self._dnskey = dns.dnssec.make_dnskey(
            self._key.public_key(), dns.dnssec.Algorithm.ECDSAP256SHA256, flags=257
        )

    def anchor(self) -> str:
        """The DS record's data, for the parent or for a resolver that starts here."""
        return dns.dnssec.make_ds(self.origin, self._dnskey, dns.dnssec.DSDigest.SHA256).to_text()

    def signed(self, zone_file: str, *, until: timedelta = DAY) -> str:
        """`zone_file` with NSEC and RRSIG records that are valid `until` so long from now."""
        zone = dns.zone.from_text(zone_file, self.origin, relativize=False)
        now = datetime.now(UTC)
        dns.dnssec.sign_zone(
            zone,
            keys=[(self._key, self._dnskey)],
            inception=now - 30 * DAY,
            expiration=now + until,
        )
        return zone.to_text(relativize=False)
