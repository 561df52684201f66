"""Posts webhooks as https://www.standardwebhooks.com describes it."""

from customdomains.webhooks.sender import HttpSender
from customdomains.webhooks.signing import parse_secrets

__all__ = ["HttpSender", "parse_secrets"]
