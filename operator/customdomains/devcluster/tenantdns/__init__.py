"""The customer's DNS server: where tenants set their records in the demo and the tests.

It is authoritative for every domain a record was set in, with NS and SOA at the apex and an
address for the name server it says it is. At the same address and port it is the recursive
resolver of the little internet the embedded control plane is: a CNAME that leads into a forwarded
zone (the operator's delegation zone) is followed, and the whole chain returned in one answer.
Everything nobody set does not exist. NS records set at an apex lead elsewhere whoever asks the
servers themselves; the resolver goes on answering from what is set here, as from a cache.

    records.py   what is set: names, types, values; pure
    answers.py   from a query to a response, following CNAMEs
    server.py    UDP and TCP
    api.py       the management API over HTTP, compatible with pebble-challtestsrv's
    handle.py    runs it as a process, with functions to set records

`python -m customdomains.devcluster.tenantdns --help` runs it by hand.
"""
