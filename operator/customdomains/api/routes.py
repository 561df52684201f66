"""What is at which path."""

from __future__ import annotations

from aiohttp import web

from customdomains.api.handlers import Handlers, Probes
from customdomains.api.recordhandlers import RecordHandlers


def domains(handlers: Handlers) -> list[web.RouteDef]:
    """About domains."""
    return [
        web.post("/domains", handlers.register),
        web.get("/domains", handlers.page),
        web.get("/domains/{id}", handlers.get),
        web.get("/domains/{id}/events", handlers.events, allow_head=False),
        web.delete("/domains/{id}", handlers.delete),
        web.post("/domains/{id}/verify", handlers.verify),
        web.post("/domains/{id}/issue-certificate", handlers.issue),
        web.get("/domains/{id}/certificate", handlers.certificate),
    ]


def records(handlers: RecordHandlers) -> list[web.RouteDef]:
    """About the platform's own DNS records."""
    return [
        web.get("/dns/records", handlers.page),
        web.post("/dns/records", handlers.add),
        web.delete("/dns/records", handlers.remove),
        web.get("/dns/resolve", handlers.resolve),
    ]


def service(probes: Probes) -> list[web.RouteDef]:
    """About the process."""
    return [
        web.get("/healthz", probes.healthz),
        web.get("/readyz", probes.readyz),
        web.get("/metrics", probes.metrics),
    ]
