"""DNS, both sides of it: asking about customers' names, and answering for the delegation zone.

Asking: `authoritative` asks the servers of the customer's zone, `lookup` takes the word of one
resolver or of several that agree; both keep every server's answer as evidence. Below them,
`exchange` puts one question to one server, `encrypted` over TLS and HTTPS, `messages` says what
may pass for an answer, and `answers` what it says.

Answering: `zone` says what the delegation zone holds, `responder` turns a query's bytes into a
reply's, and `server` is the UDP and TCP around it. Limits, on purpose: the zone is unsigned, has
no transfers and no names but the apex and one level below it.
"""
