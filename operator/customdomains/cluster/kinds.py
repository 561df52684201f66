"""The kinds of objects that the operator deals with."""

from __future__ import annotations

from customdomains.cluster.resource import Resource
from customdomains.model.domain import GROUP, VERSION

CUSTOM_DOMAINS = Resource(GROUP, VERSION, "customdomains", namespaced=True)
DOMAIN_CLAIMS = Resource(GROUP, VERSION, "domainclaims", namespaced=False)
DNS_RECORDS = Resource(GROUP, VERSION, "dnsrecords", namespaced=True)
NAMESPACES = Resource("", "v1", "namespaces", namespaced=False)
SECRETS = Resource("", "v1", "secrets", namespaced=True)
CERTIFICATES = Resource("cert-manager.io", "v1", "certificates", namespaced=True)
TOKEN_REVIEWS = Resource("authentication.k8s.io", "v1", "tokenreviews", namespaced=False)
SUBJECT_ACCESS_REVIEWS = Resource(
    "authorization.k8s.io", "v1", "subjectaccessreviews", namespaced=False
)
