"""From the settings to what the processes are made of."""

from __future__ import annotations

import resource
from collections.abc import Callable
from pathlib import Path

from customdomains.acme import AcmeEngine, ExternalAccount, IssuerOptions
from customdomains.acme.reaching import HttpReach
from customdomains.api.mounted import Mounted, MountedFileError
from customdomains.api.options import ApiOptions, ClusterTokens, SetupOptions, TokenFile
from customdomains.cluster.accounts import AccountKeys
from customdomains.cluster.client import ApiClient
from customdomains.dns.authoritative import AuthoritativeLookup
from customdomains.dns.caa import CaaLookup
from customdomains.dns.hosts import HostLookup
from customdomains.dns.lookup import QuorumLookup, RecursiveLookup
from customdomains.dns.resolvers import Resolver
from customdomains.dns.updates import UpdatedZone, ZoneUpdates
from customdomains.dns.zone import DelegationZone, Zone
from customdomains.model.certificate import Challenge
from customdomains.model.dnszones import OwnZones
from customdomains.model.keys import key_type
from customdomains.policy.budget import IssuerLimits, Limit, published_limits
from customdomains.policy.rules import ClaimRules, NameRules, Rules
from customdomains.settings import Authentication, Issuer, Settings, SettingsError, Setup
from customdomains.settings import limits as settings_limits
from customdomains.webhooks import HttpSender, parse_secrets

Lookup = AuthoritativeLookup | QuorumLookup | RecursiveLookup

CAA_CLIMB = 4
"""How many times the deadline of one lookup may go by on the way up through all names of one."""

OPEN_FILES = 8192
"""As many as a process may want to have open at once, and some to spare."""


def api_options(settings: Settings) -> ApiOptions:
    """What the HTTP process is told."""
    api = settings.api
    host, port = split_listen(api.listen)
    return ApiOptions(
        host=host,
        port=port,
        namespace=api.namespace,
        rules=rules(settings),
        authentication=_authentication(api.authentication),
        namespaces=api.namespaces,
        registered_status=api.registered_status,
        controller_timeout=api.controller_timeout.seconds,
        ask=None if api.ask_listen is None else split_listen(api.ask_listen),
        challenges=None if api.challenge_listen is None else split_listen(api.challenge_listen),
        zones=settings.dns.zones,
        records_namespace=records_namespace(settings),
        setup=_setup(api.setup),
    )


def _setup(setup: Setup) -> SetupOptions | None:
    if setup.key_file is None or setup.public_url is None:
        return None
    return SetupOptions(Path(setup.key_file), setup.public_url, setup.name, setup.colour)


def _authentication(authentication: Authentication) -> TokenFile | ClusterTokens | None:
    match authentication.mode:
        case "Token":
            return TokenFile(Path(authentication.token_file or ""))
        case "Kubernetes":
            return ClusterTokens(authentication.audiences)
        case "Disabled":
            return None


def acme_engine(issuer: Issuer, settings: Settings, client: ApiClient) -> AcmeEngine:
    """The client of one CA. Raises OSError or ValueError where its CA bundle or the HMAC key of its
    account can't be read."""
    bound = issuer.external_account_binding
    options = IssuerOptions(
        name=issuer.name,
        directory_url=issuer.directory_url,
        contact=issuer.contact,
        ca_bundle=Path(issuer.ca_bundle) if issuer.ca_bundle else None,
        external_account=ExternalAccount(bound.key_id, Path(bound.key_file)) if bound else None,
        profile=issuer.profile,
        key_type=key_type(issuer.private_key.algorithm, issuer.private_key.size),
        reuse_key=issuer.private_key.rotation == "Reuse",
        preferred_chain=issuer.preferred_chain,
    )
    return AcmeEngine(options, AccountKeys(client, settings.controller.namespace, issuer.name))


def webhook_sender(settings: Settings) -> HttpSender:
    """What posts webhooks. Raises `SettingsError` where its secrets can't be used."""
    webhooks = settings.webhooks
    secrets: Callable[[], tuple[bytes, ...]] = tuple
    if webhooks.urls:
        try:
            secrets = Mounted(Path(webhooks.secret_file or ""), _secrets, "secrets' file").get
        except MountedFileError as error:
            raise SettingsError(f"webhooks.secretFile: {error}") from None
    return HttpSender(secrets, allow_private=webhooks.allow_private_addresses)


def _secrets(text: str) -> tuple[bytes, ...]:
    try:
        return parse_secrets(text)
    except ValueError as error:
        raise MountedFileError(str(error)) from None


def limits(settings: Settings) -> dict[str, IssuerLimits]:
    """What each issuer's CA allows, by the issuer's name: as set, else as it is known."""
    return {issuer.name: _limits_of(issuer) for issuer in settings.issuers}


def _limits_of(issuer: Issuer) -> IssuerLimits:
    known, wanted = published_limits(issuer.directory_url), issuer.limits
    if wanted is None:
        return known
    exempt = known.renewals_exempt if wanted.renewals is None else wanted.renewals == "Exempt"
    return IssuerLimits(
        orders=_limit(wanted.orders_per_account),
        domain=_limit(wanted.certificates_per_domain),
        names=_limit(wanted.certificates_per_names),
        failures=_limit(wanted.failures_per_name),
        renewals_exempt=exempt,
    )


def _limit(limit: settings_limits.Limit | None) -> Limit | None:
    return None if limit is None else Limit(limit.most, limit.per.delta)


def zone_updates(settings: Settings) -> ZoneUpdates:
    """Who changes the zones in `updates`. Raises OSError or ValueError for a key that is none."""
    return ZoneUpdates(
        [
            UpdatedZone(
                each.zone, each.server, each.key_name, each.key_algorithm, Path(each.key_file)
            )
            for each in settings.updates
        ]
    )


def lookup(settings: Settings, resolvers: tuple[Resolver, ...]) -> Lookup:
    """The way of asking the DNS that `lookups.mode` says."""
    lookups = settings.lookups
    timeout, deadline = lookups.timeout.seconds, lookups.deadline.seconds
    match lookups.mode:
        case "Authoritative":
            return AuthoritativeLookup(
                resolvers,
                own_zone=settings.delegation.zone,
                port=lookups.authoritative_port,
                timeout=timeout,
                deadline=deadline,
            )
        case "Quorum":
            return QuorumLookup(
                resolvers, needed=lookups.quorum, timeout=timeout, deadline=deadline
            )
        case "Recursive":
            return RecursiveLookup(resolvers, timeout=timeout, deadline=deadline)


def caa_lookup(settings: Settings, resolvers: tuple[Resolver, ...], asks: Lookup) -> CaaLookup:
    """The way to the CAA records that count for a domain; `asks` is what `lookup` gave."""
    lookups = settings.lookups
    timeout, deadline = lookups.timeout.seconds, lookups.deadline.seconds
    registries = asks
    if isinstance(asks, AuthoritativeLookup):
        # Nobody's proof hangs on what registries say, so a resolver's word will do.
        registries = RecursiveLookup(resolvers, timeout=timeout, deadline=deadline)
    return CaaLookup(asks, registries, deadline=deadline * CAA_CLIMB)


def host_lookup(settings: Settings, resolvers: tuple[Resolver, ...]) -> HostLookup:
    """The way to addresses of names that are not the platform's own."""
    lookups = settings.lookups
    return HostLookup(resolvers, timeout=lookups.timeout.seconds, deadline=lookups.deadline.seconds)


def http_reach(settings: Settings, resolvers: tuple[Resolver, ...]) -> HttpReach:
    """The way to the domains' own addresses over HTTP, as CAs go it."""
    return HttpReach(host_lookup(settings, resolvers).addresses, port=settings.lookups.http_port)


def served_zones(settings: Settings) -> tuple[DelegationZone, tuple[Zone, ...]]:
    """The delegation zone and the others, all with the same name servers. Raises ValueError."""
    delegation = settings.delegation
    parent = delegation.zone.split(".", 1)[1]
    nameservers = delegation.nameservers or (f"ns.{parent}",)
    hostmaster = delegation.hostmaster or f"hostmaster.{parent}"
    others = tuple(Zone(zone, nameservers, hostmaster) for zone in settings.dns.zones)
    return DelegationZone(delegation.zone, nameservers, hostmaster), others


def own_zones(settings: Settings) -> OwnZones:
    """Where the platform's own records may stand."""
    return OwnZones(settings.delegation.zone, settings.dns.zones)


def records_namespace(settings: Settings) -> str:
    """Where the DNSRecords are."""
    return settings.dns.records_namespace or settings.controller.namespace


def rules(settings: Settings) -> Rules:
    """What policy goes by."""
    return Rules(
        zone=settings.delegation.zone,
        issuers=tuple(issuer.name for issuer in settings.issuers),
        recheck_interval=settings.verification.recheck_interval.delta,
        grace_period=settings.verification.grace_period.delta,
        claims=ClaimRules(
            pending_expiry=settings.claims.pending_expiry.delta,
            retention=settings.claims.retention.delta,
            secrets_kept=settings.controller.secret_retention.delta,
            contests=settings.claims.contests,
            contenders=settings.claims.contenders,
            per_namespace=settings.claims.per_namespace,
            webhooks=bool(settings.webhooks.urls),
        ),
        fallbacks={issuer.name: issuer.fallback for issuer in settings.issuers if issuer.fallback},
        names=NameRules(
            denied=(settings.delegation.zone, *settings.names.denied_suffixes),
            allowed=settings.names.allowed_suffixes,
            private_suffixes=settings.names.private_suffixes == "Allow",
        ),
        challenges={
            issuer.name: tuple(Challenge(kind) for kind in issuer.challenges)
            for issuer in settings.issuers
            if issuer.challenges is not None
        },
        answers_http=settings.api.challenge_listen is not None,
        updated_zones=tuple(each.zone for each in settings.updates),
    )


def split_listen(listen: str) -> tuple[str, int]:
    """Host and port of an address to listen at; an empty host stands for all."""
    host, _, port = listen.rpartition(":")
    return host.strip("[]"), int(port)


def raise_file_limit() -> None:
    """Lookups may open some 900 sockets at once, the api some 3,000; many systems allow 1,024."""
    soft, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
    wanted = OPEN_FILES if hard == resource.RLIM_INFINITY else min(OPEN_FILES, hard)
    if soft != resource.RLIM_INFINITY and soft < wanted:
        resource.setrlimit(resource.RLIMIT_NOFILE, (wanted, hard))
