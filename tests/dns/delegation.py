"""A delegation zone and what stands in it."""

from customdomains.dns.zone import DelegationZone

ORIGIN = "acme.platform.example"
ZONE = DelegationZone(
    ORIGIN, ("ns1.platform.example", "ns2.platform.example"), "hostmaster@platform.example"
)

ONE = "0123456789abcdef0123456789abcdef"
MANY = "f" * 32
EMPTY = "e" * 32
LONG = "d" * 32
UNKNOWN = "c" * 32
TOKEN = "5a" * 32


class Texts:
    """A TextSource in memory."""

    def __init__(self):
        self.synced = True
        self.held = {
            ONE: (TOKEN, "digest-of-a-challenge"),
            MANY: tuple(f"{number:064d}" for number in range(30)),
            EMPTY: (),
            LONG: ("x" * 300,),
        }

    def texts(self, label):
        return self.held.get(label)
