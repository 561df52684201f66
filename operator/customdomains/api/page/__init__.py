"""The page for a domain's owner: what to set in the DNS, what was seen there, and the certificate.

It is opened by a signed link that ends, not by a token, and works without JavaScript.
"""
