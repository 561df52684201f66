"""DNS, both sides of it: asking about customers' names, and answering for the delegation zone.

`lookup` asks for TXT records and keeps every server's answer as evidence. `zone` says what the
delegation zone holds, `responder` turns a query's bytes into a reply's, and `server` is the UDP
and TCP around it.

Limits, on purpose: the lookup trusts the resolvers it is given and validates no DNSSEC itself;
the zone is unsigned, has no transfers and no names but the apex and one level below it.
"""
