"""What both sides say about EDNS."""

EDNS_PAYLOAD = 1232
"""Bytes of a UDP message that pass unfragmented nearly everywhere (RFC 9715)."""
