"""How far a rate limit reaches, from what CAs write."""

import pytest
from acme import messages

from customdomains.acme.reach import EVERYTHING, reach_of
from customdomains.model.scope import Scope, ScopeKind

PAGE = "see https://letsencrypt.org/docs/rate-limits/"
AGAIN = "in the last 168h0m0s, retry after 2026-01-02 15:04:05 UTC"


def limited(detail: str, *details: str) -> messages.Error:
    body = {"type": "urn:ietf:params:acme:error:rateLimited", "detail": detail}
    if details:
        body["subproblems"] = [body | {"detail": each} for each in details]
    return messages.Error.from_json(body)


@pytest.mark.parametrize(
    ("detail", "reach"),
    [
        (
            f"too many new orders (300) from this account {AGAIN}: {PAGE}#new-orders-per-account",
            Scope(ScopeKind.ACCOUNT),
        ),
        (f"enough of you: {PAGE}#new-orders-per-account", Scope(ScopeKind.ACCOUNT)),
        (
            (
                f'too many certificates (50) already issued for "example.co.uk" {AGAIN}: '
                f"{PAGE}#new-certificates-per-registered-domain"
            ),
            Scope(ScopeKind.DOMAIN, ("example.co.uk",)),
        ),
        (
            (
                "too many certificates (5) already issued for this exact set of identifiers "
                f"{AGAIN}: {PAGE}#new-certificates-per-exact-set-of-identifiers"
            ),
            None,
        ),
        (f'too many failed authorizations (5) for "a.example.com" {AGAIN}', None),
        (
            (
                f"too many new registrations (10) from this IP address {AGAIN}: "
                f"{PAGE}#new-registrations-per-ip-address"
            ),
            EVERYTHING,
        ),
        ("Service busy; retry later.", EVERYTHING),
        ("Your account is temporarily prevented from requesting certificates for a.test", None),
        ("slow down", None),
        ("", None),
        ('too many certificates (50) already issued for "a b"', None),
        ("too many certificates issued for " + '"' * 5000, None),
    ],
)
def test_what_it_says(detail, reach):
    assert reach_of(429, limited(detail)) == reach


def test_subproblems_name_several_domains():
    texts = [f'too many certificates (50) already issued for "{name}"' for name in ("a.ch", "b.ch")]
    error = limited("two names are over their limits", *texts)
    assert reach_of(429, error) == Scope(ScopeKind.DOMAIN, ("a.ch", "b.ch"))


def test_what_is_no_answer_of_acme_is_about_everything():
    assert reach_of(429, messages.Error()) == EVERYTHING
    assert reach_of(503, limited("later")) == EVERYTHING
