"""Knot, BIND, NSD and Unbound as processes of the test's own user, with configurations of ours.

Each has a directory of its own, listens on loopback addresses of its own, and is asked until it
answers. The programs are copied first: the AppArmor profiles that come with them go by the path,
and would keep them out of every directory but the system's.
"""

import os
import shutil
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from pathlib import Path

import dns.exception
import dns.message
import dns.query
import dns.rcode
from programs.debian import find

from customdomains.devcluster.processes import Process

_READY_SECONDS = 20.0
_ASK_SECONDS = 0.5
_LONG_AGO = 946_684_800.0


@dataclass(frozen=True)
class Encrypted:
    """Where a resolver is asked over TLS: at 127.0.0.1, with a certificate for that."""

    certificate: Path
    key: Path
    tls_port: int
    https_port: int

    @property
    def tls_url(self) -> str:
        """For DNS over TLS (RFC 7858)."""
        return f"tls://127.0.0.1:{self.tls_port}"

    @property
    def https_url(self) -> str:
        """For DNS over HTTPS (RFC 8484)."""
        return f"https://127.0.0.1:{self.https_port}/dns-query"


@dataclass(frozen=True)
class UpdateKey:
    """A TSIG key (hmac-sha256) that may update every zone of a server; `secret` in base64."""

    name: str
    secret: str


class Server:
    """What the four have in common: `program` with `arguments` before its configuration file."""

    program = ""
    arguments: tuple[str, ...] = ()

    def __init__(self, directory: Path, addresses: Iterable[str], port: int) -> None:
        self.directory = directory
        self.addresses = tuple(addresses)
        self.port = port
        self.config = directory / "server.conf"
        self._process: Process | None = None
        directory.mkdir(parents=True)

    @property
    def address(self) -> str:
        """Its first `address:port`."""
        return f"{self.addresses[0]}:{self.port}"

    def launch(self) -> None:
        """Start it, without waiting."""
        found = find(self.program)
        assert found is not None, f"{self.program} is not installed"
        copy = self.directory / self.program
        if not copy.exists():
            shutil.copy2(found, copy)
        self._process = Process(
            f"{self.program} at {self.address}",
            [copy, *self.arguments, self.config],
            log=self.directory / "log",
        )

    def wait(self, names: Iterable[str]) -> None:
        """Return when it answers for each of `names`."""
        left = list(names)

        def ready() -> bool:
            while left and self._answers(left[-1]):
                left.pop()
            return not left

        assert self._process is not None
        self._process.wait_until(ready, _READY_SECONDS)

    def _answers(self, name: str) -> bool:
        query = dns.message.make_query(name, "SOA")
        try:
            response = dns.query.udp(query, self.addresses[0], _ASK_SECONDS, self.port)
        except (OSError, dns.exception.DNSException):
            return False
        return response.rcode() == dns.rcode.NOERROR

    def stop(self) -> None:
        """End it."""
        if self._process is not None:
            self._process.stop()

    def _write(self, zones: Mapping[str, str]) -> dict[str, Path]:
        """The zone files, by zone; the root's is called `root`."""
        paths = {}
        for name, text in zones.items():
            paths[name] = self.directory / f"{name.strip('.') or 'root'}.zone"
            paths[name].write_text(text)
        return paths


class Knot(Server):
    """Knot DNS as an authoritative server."""

    program = "knotd"
    arguments = ("-c",)

    def configure(
        self,
        zones: Mapping[str, str],
        *,
        signs: Iterable[str] = (),
        key: UpdateKey | None = None,
    ) -> None:
        """Serve `zones` (name to zone file); it signs those in `signs` itself, with NSEC3. With the
        `key` all of them can be updated."""
        config = [
            "server:",
            f'  rundir: "{self.directory}"',
            *(f'  listen: "{address}@{self.port}"' for address in self.addresses),
            "  udp-workers: 1",
            "  tcp-workers: 1",
            "  background-workers: 1",
            "log:",
            "  - target: stdout",
            "    any: info",
            "database:",
            f'  storage: "{self.directory / "db"}"',
            "policy:",
            "  - id: online",
            "    algorithm: ecdsap256sha256",
            "    single-type-signing: on",
            "    nsec3: on",
            *_knot_key(key),
            "zone:",
        ]
        (self.directory / "db").mkdir(exist_ok=True)
        signs = set(signs)
        for name, path in self._write(zones).items():
            config += [f'  - domain: "{name}"', f'    file: "{path}"', "    zonefile-sync: -1"]
            if key is not None:
                config.append("    acl: updates")
            if name in signs:
                config += ["    dnssec-signing: on", "    dnssec-policy: online"]
        self.config.write_text("\n".join(config) + "\n")


def _knot_key(key: UpdateKey | None) -> list[str]:
    if key is None:
        return []
    return [
        "key:",
        f'  - id: "{key.name}"',
        "    algorithm: hmac-sha256",
        f'    secret: "{key.secret}"',
        "acl:",
        "  - id: updates",
        f'    key: "{key.name}"',
        "    action: update",
    ]


class Bind(Server):
    """BIND as an authoritative server or as a validating recursive resolver."""

    program = "named"
    arguments = ("-g", "-n", "1", "-c")

    def configure(
        self,
        zones: Mapping[str, str],
        *,
        changes: str = "",
        expired: Mapping[str, str] = {},
        key: UpdateKey | None = None,
    ) -> None:
        """Serve `zones` (name to zone file); the zone `changes` takes updates (RFC 2136), and all
        of them do with the `key`.

        `expired` are zones too, as they were transferred by a secondary long ago, from a primary
        that is there no more.
        """
        config = [self._options("recursion no; dnssec-validation no;")]
        if key is not None:
            config.append(f'key "{key.name}" {{ algorithm hmac-sha256; secret "{key.secret}"; }};')
        for name, path in self._write(zones).items():
            update = "allow-update { 127.0.0.0/8; };" if name == changes else ""
            if key is not None:
                update = f'allow-update {{ key "{key.name}"; }};'
            config.append(f'zone "{name}" {{ type primary; file "{path}"; {update} }};')
        for name, path in self._write(expired).items():
            # Its time runs from when the file was written.
            os.utime(path, (_LONG_AGO, _LONG_AGO))
            config.append(
                f'zone "{name}" {{ type secondary; file "{path}"; masterfile-format text;'
                " primaries { 127.53.9.2; }; };"
            )
        self.config.write_text("\n".join(config) + "\n")

    def resolve(
        self, hints: str, anchors: Mapping[str, str], asks: int, encrypted: Encrypted
    ) -> None:
        """Resolve, from the root servers in `hints`, asking every server on the port `asks`;
        `anchors` are DS data by zone."""
        (self.directory / "hints").write_text(hints)
        trusted = [_anchor(name, ds) for name, ds in anchors.items()]
        config = [
            self._options(
                f"port {asks}; recursion yes; allow-recursion {{ any; }}; dnssec-validation yes;"
                f" listen-on port {encrypted.tls_port} tls ours {{ 127.0.0.1; }};"
                f" listen-on port {encrypted.https_port} tls ours http default {{ 127.0.0.1; }};"
            ),
            f'tls ours {{ cert-file "{encrypted.certificate}"; key-file "{encrypted.key}"; }};',
            f'zone "." {{ type hint; file "{self.directory / "hints"}"; }};',
            "trust-anchors {",
            *trusted,
            "};",
        ]
        self.config.write_text("\n".join(config) + "\n")

    def _options(self, more: str) -> str:
        listens = "".join(f"{address}; " for address in self.addresses)
        return (
            f'options {{ directory "{self.directory}"; pid-file none;'
            f' session-keyfile "{self.directory / "session.key"}";'
            f" listen-on port {self.port} {{ {listens}}}; listen-on-v6 {{ none; }};"
            f" notify no; empty-zones-enable no; allow-query {{ any; }}; {more} }};\n"
            "controls { };"
        )


def _anchor(name: str, ds: str) -> str:
    tag, algorithm, kind, digest = ds.split(maxsplit=3)
    return f'"{name}" static-ds {tag} {algorithm} {kind} "{digest.replace(" ", "")}";'


class Nsd(Server):
    """NSD as an authoritative server."""

    program = "nsd"
    arguments = ("-d", "-c")

    def configure(self, zones: Mapping[str, str]) -> None:
        """Serve `zones` (name to zone file)."""
        config = [
            "server:",
            *(f"  ip-address: {address}@{self.port}" for address in self.addresses),
            "  server-count: 1",
            '  username: ""',
            '  database: ""',
            '  pidfile: ""',
            "  rrl-ratelimit: 0",
            f'  zonesdir: "{self.directory}"',
            f'  zonelistfile: "{self.directory / "zone.list"}"',
            f'  xfrdfile: "{self.directory / "xfrd.state"}"',
            f'  xfrdir: "{self.directory}"',
            "remote-control:",
            "  control-enable: no",
        ]
        for name, path in self._write(zones).items():
            config += ["zone:", f'  name: "{name}"', f'  zonefile: "{path}"']
        self.config.write_text("\n".join(config) + "\n")


class Unbound(Server):
    """Unbound as a validating recursive resolver.

    It asks port 53 where it follows a delegation; so every zone is a stub zone, with the port.
    """

    program = "unbound"
    arguments = ("-d", "-p", "-c")

    def resolve(
        self, stubs: Mapping[str, Iterable[str]], anchors: Mapping[str, str], encrypted: Encrypted
    ) -> None:
        """`stubs` are the server addresses by zone, `anchors` DS data by zone."""
        config = [
            "server:",
            *(f"  interface: {address}@{self.port}" for address in self.addresses),
            f"  interface: 127.0.0.1@{encrypted.tls_port}",
            f"  interface: 127.0.0.1@{encrypted.https_port}",
            f"  tls-port: {encrypted.tls_port}",
            f"  https-port: {encrypted.https_port}",
            f'  tls-service-pem: "{encrypted.certificate}"',
            f'  tls-service-key: "{encrypted.key}"',
            "  num-threads: 1",
            '  username: ""',
            '  chroot: ""',
            f'  directory: "{self.directory}"',
            '  pidfile: ""',
            '  logfile: ""',
            "  use-syslog: no",
            "  access-control: 127.0.0.0/8 allow_snoop",
            "  do-not-query-localhost: no",
            "  infra-host-ttl: 1",
            "  ede: yes",
            "  val-log-level: 1",
            *(f'  trust-anchor: "{name} DS {ds}"' for name, ds in anchors.items()),
            "remote-control:",
            "  control-enable: no",
        ]
        for name, addresses in stubs.items():
            config += ["stub-zone:", f'  name: "{name}"']
            config += [f"  stub-addr: {address}@{self.port}" for address in addresses]
        self.config.write_text("\n".join(config) + "\n")
