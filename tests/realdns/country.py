"""The customers of a small internet: one name for each thing that can be right or wrong.

What a domain shows is at `_acme-challenge.<domain>`. The delegation zone, the id and the token are
those of `build`.
"""

from build import DIGEST, ID, TARGET, TOKEN, ZONE

from realdns.zones import (
    ADDRESSES,
    ALSO_NOBODY,
    BIND,
    DARK,
    HOSTS,
    KNOT,
    LIAR,
    NOBODY,
    NSD,
    RESOLVER,
    RESPONDER,
    SECOND_KNOT,
    SECOND_NSD,
    SILENT,
    SIX,
    Signed,
    Zone,
    addresses_of,
)

OTHER_TOKEN = "a1" * 32
OTHER_ID = "f" * 32
DARK_ZONE = "dark.example.net"
"""A delegation zone of which nobody answers."""

_LONG = "\n".join(f'_acme-challenge.big TXT "{number:03d} {"x" * 200}"' for number in range(15))
_CHAIN = "\n".join(f"hop{number} CNAME hop{number + 1}" for number in range(20))

_PLAIN = f"""
_acme-challenge.good TXT {TOKEN}
_acme-challenge.delegated CNAME {TARGET}.
bare A 192.0.2.1
_acme-challenge.nodata CAA 0 issue "ca.example.net"
_acme-challenge.wrong TXT "something else"
_acme-challenge.older TXT {OTHER_TOKEN}
_acme-challenge.older-alias CNAME {OTHER_ID}.{ZONE}.
_acme-challenge.quoted TXT "\\"{TOKEN}\\""
_acme-challenge.spaced TXT " {TOKEN} "
_acme-challenge.astray CNAME parking.elsewhere.net.
_acme-challenge.appended CNAME {TARGET}
_acme-challenge.halved CNAME {ID}
_acme-challenge.doubled.plain.com TXT {TOKEN}
_acme-challenge.doubled-alias.plain.com CNAME {TARGET}.
labelless TXT {TOKEN}
_acme-challenge.several TXT "v=spf1 -all"
_acme-challenge.several TXT {TOKEN}
_acme-challenge.several TXT "google-site-verification=1"
_acme-challenge.strings TXT "{TOKEN[:20]}" "{TOKEN[20:]}"
{_LONG}
_acme-challenge.big TXT {TOKEN}
_acme-challenge.digest TXT {DIGEST}
_acme-challenge.chain CNAME one.hops.com.
_acme-challenge.chained-delegation CNAME three.hops.com.
old DNAME new
_acme-challenge.shop.new TXT {TOKEN}
_acme-challenge.loop CNAME round.loop
round.loop CNAME _acme-challenge.loop
_acme-challenge.far-loop CNAME far.hops.com.
_acme-challenge.endless CNAME hop0
{_CHAIN}
_acme-challenge.nowhere CNAME no-such-name.hops.com.
_acme-challenge.dark CNAME {ID}.{DARK_ZONE}.
_acme-challenge.to-dead CNAME shop.all-dead.com.
_acme-challenge.to-bogus CNAME _acme-challenge.bogus.com.
sub NS nsd.{HOSTS}.
_acme-challenge.cut NS nsd.{HOSTS}.
"""

_CAA = f"""
@ CAA 0 issue "ca.example.net"
@ CAA 0 iodef "mailto:hostmaster@caa.com"
own CAA 0 issue ";"
own CAA 128 issuewild "ca.example.net; accounturi=https://ca.example.net/1"
bare A 192.0.2.1
alias CNAME edge.no-caa.com.
alias-to-none CNAME bare.no-caa.com.
chain CNAME alias.hops-caa.com.
nowhere CNAME no-such-name.no-caa.com.
old DNAME new
shop.new CAA 0 issue "other.net"
far-loop CNAME far.hops.com.
to-dead CNAME shop.all-dead.com.
to-bogus CNAME shop.bogus.com.
sub NS nsd.{HOSTS}.
empty NS nsd.{HOSTS}.
"""

ZONES = (
    Zone("caa.com", (KNOT, BIND, NSD), _CAA),
    Zone("sub.caa.com", (NSD,), '@ CAA 0 issue "sub.net"'),
    Zone("empty.caa.com", (NSD,), "www A 192.0.2.1"),
    Zone("hops-caa.com", (BIND,), "alias CNAME edge.no-caa.com."),
    Zone("no-caa.com", (KNOT, NSD), 'edge CAA 0 issue "edge.net"\nbare A 192.0.2.1'),
    Zone(
        "caa-in-turns.com",
        (KNOT, NSD),
        '@ CAA 0 issue "ca.example.net"',
        differing={NSD: ""},
    ),
    Zone("caa-half-dead.com", (NOBODY, KNOT), '@ CAA 0 issue "ca.example.net"'),
    Zone(HOSTS, (KNOT,), addresses_of(ADDRESSES)),
    Zone("elsewhere.net", (KNOT,), 'parking TXT "this domain is for sale"'),
    Zone(
        "example.net",
        (KNOT,),
        f"{ZONE}. NS {RESPONDER}.{HOSTS}.\n{DARK_ZONE}. NS {DARK}.{HOSTS}.",
        Signed.FILES,
    ),
    Zone(ZONE, (RESPONDER,)),
    Zone(DARK_ZONE, (DARK,)),
    Zone("plain.com", (KNOT, BIND, NSD), _PLAIN),
    Zone("sub.plain.com", (NSD,), f"_acme-challenge.shop TXT {TOKEN}"),
    Zone("_acme-challenge.cut.plain.com", (NSD,), f"@ TXT {TOKEN}"),
    Zone(
        "hops.com",
        (BIND,),
        f"""
        one CNAME two
        two CNAME end.signed.com.
        three CNAME four
        four CNAME {TARGET}.
        far CNAME round.loop.plain.com.
        """,
    ),
    Zone("apex.com", (KNOT, NSD), f"@ TXT {TOKEN}"),
    Zone("apex-challenge.com", (KNOT, NSD), f"_acme-challenge TXT {TOKEN}"),
    Zone("wild.com", (KNOT, BIND, NSD), '* TXT "v=spf1 -all"\nwww A 192.0.2.1'),
    Zone("wild-alias.com", (KNOT, BIND, NSD), "* CNAME parking.elsewhere.net."),
    Zone("wild-proof.com", (KNOT, BIND, NSD), f"* CNAME {TARGET}."),
    Zone(
        "signed.com",
        (KNOT, NSD),
        f"""
        _acme-challenge.good TXT {TOKEN}
        _acme-challenge.delegated CNAME {TARGET}.
        *.wild TXT {TOKEN}
        end TXT {TOKEN}
        caa CAA 0 issue "ca.example.net"
        """,
        Signed.FILES,
    ),
    Zone(
        "online.com",
        (KNOT,),
        f"_acme-challenge.good TXT {TOKEN}\n*.wild TXT {TOKEN}",
        Signed.ONLINE,
    ),
    Zone(
        "bogus.com",
        (BIND, NSD),
        f"_acme-challenge TXT {TOKEN}",
        Signed.FILES,
        stale=(BIND, NSD),
    ),
    Zone("stale.com", (KNOT, NSD), f"_acme-challenge TXT {TOKEN}", Signed.FILES, stale=(NSD,)),
    Zone("forged.com", (KNOT, LIAR), "_acme-challenge TXT before", Signed.FILES),
    Zone("lame.com", (BIND, KNOT), f"_acme-challenge TXT {TOKEN}", differing={BIND: None}),
    Zone("all-lame.com", (BIND, NSD), differing={BIND: None, NSD: None}),
    Zone("resolver-lame.com", (RESOLVER,)),
    Zone("dead.com", (NOBODY, KNOT), f"_acme-challenge TXT {TOKEN}"),
    Zone("all-dead.com", (NOBODY, ALSO_NOBODY)),
    Zone("silent.com", (SILENT, KNOT), f"_acme-challenge TXT {TOKEN}"),
    Zone("all-silent.com", (SILENT,)),
    Zone("mixed.com", (SILENT, NOBODY)),
    Zone(
        "disagree.com",
        (KNOT, NSD),
        f"_acme-challenge TXT {TOKEN}\n_acme-challenge.changed TXT {TOKEN}",
        differing={NSD: "_acme-challenge.changed TXT before"},
    ),
    Zone("expired.com", (BIND,), f"_acme-challenge TXT {TOKEN}"),
    Zone("six.com", (SIX,), f"_acme-challenge TXT {TOKEN}"),
    Zone("both.com", (SIX, BIND), f"_acme-challenge TXT {TOKEN}"),
    Zone("moving.com", (BIND,), negative_ttl=1800),
    Zone(
        "clash.com",
        (KNOT, NSD),
        "_acme-challenge TXT before",
        differing={NSD: "_acme-challenge CNAME parking.elsewhere.net."},
    ),
    Zone(
        "trio.com",
        (SECOND_KNOT, BIND, SECOND_NSD),
        f"""
        _acme-challenge.all TXT {TOKEN}
        _acme-challenge.alias CNAME {TARGET}.
        _acme-challenge.denied TXT {TOKEN}
        """,
        differing={
            SECOND_NSD: f"""
            _acme-challenge.all TXT {TOKEN}
            _acme-challenge.alias CNAME {TARGET}.
            _acme-challenge.claimed TXT {TOKEN}
            _acme-challenge.claimed-alias CNAME {TARGET}.
            """
        },
    ),
    Zone("liar.com", (LIAR,)),
    Zone("hidden.com", (LIAR,)),
)

DELEGATIONS = """
no-hosts.com. NS ns.not-registered.com.
turn.com. NS ns.return.com.
return.com. NS ns.turn.com.
"""
"""Delegations to what is no server: hosts that don't exist, hosts that need each other."""

EXPIRED = "expired.com"
"""Served by BIND as a secondary that has lost its primary for too long."""

MOVING = "moving.com"
"""Changed while it is served."""
