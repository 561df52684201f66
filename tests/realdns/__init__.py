"""Lookups and their diagnosis against Knot, BIND, NSD and Unbound, as processes on loopback."""
