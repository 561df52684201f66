"""What is at which path."""

from __future__ import annotations

from aiohttp import web

from customdomains.api.handlers import Handlers, Probes
from customdomains.api.page.handlers import SetupPages
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


def setup(pages: SetupPages) -> list[web.RouteDef]:
    """The page for tenants, and the links to it."""
    return [
        web.post("/domains/{id}/setup-link", pages.link),
        web.get("/domains/{id}/setup", pages.page),
        web.post("/domains/{id}/setup", pages.check),
        web.get("/domains/{id}/setup/events", pages.events, allow_head=False),
        web.get("/setup/{file}", pages.file),
    ]


def service(probes: Probes) -> list[web.RouteDef]:
    """About the process."""
    return [
        web.get("/healthz", probes.healthz),
        web.get("/readyz", probes.readyz),
        web.get("/metrics", probes.metrics),
    ]
