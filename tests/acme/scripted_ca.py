"""An ACME server that does what a test tells it.

It is a fake because no real server can be made to do what these tests are about: rate limits,
outages, half answers, answers that never come, wrong certificates. Told nothing, it issues: it
validates at once and without asking the DNS. What a real server does is tested with Pebble.
"""

import base64
import datetime
import json
from collections import Counter
from collections.abc import Awaitable, Callable, Mapping
from dataclasses import dataclass, field
from typing import Any

from aiohttp import web
from cryptography import x509
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.x509.oid import NameOID
from josepy.jwk import JWK
from josepy.jws import JWS

PREFIX = "urn:ietf:params:acme:error:"
NAMES = ("shop.example.com",)
TOKEN = "DGyRejmCefe7v4NfDGDKfADGyRejmCefe7v4NfDGDKfA"


@dataclass
class Reply:
    """One answer in place of the usual one; `cut` bytes short of what its length promises."""

    status: int = 200
    body: Any = field(default_factory=dict)
    headers: Mapping[str, str] = field(default_factory=dict)
    content_type: str = "application/json"
    cut: int = 0


def problem(kind: str, status: int = 400, detail: str = "because", **headers: str) -> Reply:
    """A problem document; underscores in header names stand for dashes."""
    body = {"type": PREFIX + kind, "detail": detail}
    named = {name.replace("_", "-"): value for name, value in headers.items()}
    return Reply(status, body, named, "application/problem+json")


class ScriptedCa:
    """Listens on the loopback interface once started; `seen` are the paths asked for, in turn."""

    def __init__(self) -> None:
        self.seen: list[str] = []
        self.payloads: list[tuple[str, Any]] = []
        self.status = "pending"
        self.names = NAMES
        self.expires = "2999-01-01T00:00:00Z"
        self.issue: Callable[[x509.CertificateSigningRequest], bytes] = self.good_chain
        self.most_at_once = 0
        self.hold: Callable[[], Awaitable[None]] | None = None
        self.chain = b""
        self.link = ""
        """The Link header of the certificate."""
        self._at_once = 0
        self.entries = {
            "newNonce": "nonce",
            "newAccount": "account",
            "newOrder": "orders",
            "keyChange": "rekey",
        }
        self.accounts: dict[str, dict[str, Any]] = {}
        """The accounts' keys (JWK) by their URLs."""
        self.kids: list[str] = []
        self.key_changes: list[tuple[dict[str, Any], dict[str, Any]]] = []
        """The protected headers of both signatures."""
        self.last_key_change: dict[str, Any] = {}
        self._protected: dict[str, Any] = {}
        self._heard_but: dict[str, Reply] = {}
        self._scripts: dict[str, list[Reply]] = {}
        self._stuck: dict[str, Reply] = {}
        self._nonces: set[str] = set()
        self._made = 0
        self.authority_key = ec.generate_private_key(ec.SECP256R1())
        self._runner: web.AppRunner | None = None
        self.base = ""

    @property
    def counts(self) -> Counter[str]:
        """How often each path was asked for."""
        return Counter(self.seen)

    def script(self, path: str, *replies: Reply) -> None:
        """Answer `path` with `replies` in turn, and then as usual."""
        self._scripts[path] = list(replies)

    def stick(self, path: str, reply: Reply) -> None:
        """Answer `path` with `reply` from now on."""
        self._stuck[path] = reply

    def unstick(self, path: str) -> None:
        """Answer `path` as usual again."""
        del self._stuck[path]

    def heard_but(self, path: str, reply: Reply) -> None:
        """Do once what `path` is asked for, but answer `reply`."""
        self._heard_but[path] = reply

    async def start(self) -> None:
        """Begin to listen."""
        app = web.Application()
        app.router.add_route("*", "/{path:.*}", self._handle)
        self._runner = web.AppRunner(app, shutdown_timeout=0.1)
        await self._runner.setup()
        site = web.TCPSite(self._runner, "127.0.0.1", 0)
        await site.start()
        host, port = self._runner.addresses[0][:2]
        self.base = f"http://{host}:{port}"

    async def stop(self) -> None:
        """End it."""
        if self._runner is not None:
            await self._runner.cleanup()

    def nonce(self) -> str:
        """A new nonce."""
        self._made += 1
        nonce = base64.urlsafe_b64encode(f"nonce {self._made:06}".encode()).decode()
        self._nonces.add(nonce)
        return nonce

    def order(self, **changes: Any) -> dict[str, Any]:
        """The order as it stands."""
        document: dict[str, Any] = {
            "status": self.status,
            "expires": self.expires,
            "identifiers": [{"type": "dns", "value": name} for name in self.names],
            "authorizations": [f"{self.base}/authz"],
            "finalize": f"{self.base}/finalize",
        }
        if self.status == "valid":
            document["certificate"] = f"{self.base}/cert"
        return document | changes

    def challenge(self, **changes: Any) -> dict[str, Any]:
        """The dns-01 challenge as it stands."""
        status = "pending" if self.status == "pending" else "valid"
        url = f"{self.base}/challenge"
        return {"type": "dns-01", "url": url, "token": TOKEN, "status": status} | changes

    def authorization(self, **changes: Any) -> dict[str, Any]:
        """The authorization as it stands."""
        return {
            "status": "pending" if self.status == "pending" else "valid",
            "identifier": {"type": "dns", "value": NAMES[0]},
            "challenges": [self.challenge()],
        } | changes

    def certificate(
        self,
        public_key: Any,
        names: tuple[str, ...] = NAMES,
        *,
        days: tuple[float, float] = (-1, 90),
    ) -> bytes:
        """A chain of leaf and authority (PEM); `days` are those of the validity from now."""
        now = datetime.datetime.now(datetime.UTC)
        issuer = x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, "authority")])
        builder = x509.CertificateBuilder().issuer_name(issuer).serial_number(0xABC)
        sans = x509.SubjectAlternativeName([x509.DNSName(name) for name in names])
        leaf = (
            builder.subject_name(x509.Name([]))
            .public_key(public_key)
            .not_valid_before(now + datetime.timedelta(days=days[0]))
            .not_valid_after(now + datetime.timedelta(days=days[1]))
            .add_extension(sans, critical=True)
            .sign(self.authority_key, hashes.SHA256())
        )
        authority = (
            builder.subject_name(issuer)
            .public_key(self.authority_key.public_key())
            .not_valid_before(now - datetime.timedelta(days=1))
            .not_valid_after(now + datetime.timedelta(days=1000))
            .sign(self.authority_key, hashes.SHA256())
        )
        pem = serialization.Encoding.PEM
        return leaf.public_bytes(pem) + authority.public_bytes(pem)

    def good_chain(self, csr: x509.CertificateSigningRequest) -> bytes:
        """What was asked for."""
        sans = csr.extensions.get_extension_for_class(x509.SubjectAlternativeName).value
        return self.certificate(csr.public_key(), tuple(sans.get_values_for_type(x509.DNSName)))

    async def _handle(self, request: web.Request) -> web.StreamResponse:
        self.seen.append(request.path)
        self._at_once += 1
        self.most_at_once = max(self.most_at_once, self._at_once)
        try:
            if self.hold is not None:
                await self.hold()
            reply = await self._reply(request)
        finally:
            self._at_once -= 1
        raw = reply.body if isinstance(reply.body, bytes) else json.dumps(reply.body).encode()
        headers = {"Content-Type": reply.content_type}
        if request.method != "GET":
            headers["Replay-Nonce"] = self.nonce()
        headers |= reply.headers
        if not reply.cut:
            return web.Response(status=reply.status, body=raw, headers=headers)
        response = web.StreamResponse(status=reply.status, headers=headers)
        response.content_length = len(raw)
        await response.prepare(request)
        await response.write(raw[: -reply.cut])
        if request.transport is not None:
            request.transport.close()
        return response

    async def _reply(self, request: web.Request) -> Reply:
        path = request.path
        payload: Any = None
        if request.method == "POST":
            jws = json.loads(await request.read())
            protected = json.loads(_decode(jws["protected"]))
            payload = json.loads(_decode(jws["payload"]) or "null")
            assert protected["url"] == self.base + path
            assert ("jwk" in protected) == (path == "/account")
            if protected["nonce"] not in self._nonces:
                return problem("badNonce", detail="never given, or used")
            self._nonces.remove(protected["nonce"])
            self._protected = protected
            if "kid" in protected:
                self.kids.append(protected["kid"])
                known = self.accounts.get(protected["kid"])
                if known is not None and not _is_signed(jws, known):
                    return problem("malformed", detail="JWS verification error")
        scripted = self._scripts.get(path)
        if scripted:
            return scripted.pop(0)
        if path in self._stuck:
            return self._stuck[path]
        usual: Callable[[Any], Reply] = getattr(self, "_on_" + path[1:])
        reply = usual(payload)
        self.payloads.append((path, payload))
        return self._heard_but.pop(path, reply)

    def _on_directory(self, _: Any) -> Reply:
        return Reply(body={name: f"{self.base}/{path}" for name, path in self.entries.items()})

    def _on_nonce(self, _: Any) -> Reply:
        return Reply(body=b"")

    def _on_account(self, payload: Any) -> Reply:
        jwk = self._protected["jwk"]
        for url, known in self.accounts.items():
            if known == jwk:
                return Reply(200, {"status": "valid"}, {"Location": url})
        if payload.get("onlyReturnExisting"):
            return problem("accountDoesNotExist")
        url = f"{self.base}/me{len(self.accounts) or ''}"
        self.accounts[url] = jwk
        return Reply(201, {"status": "valid"}, {"Location": url})

    def _on_me(self, _: Any) -> Reply:
        return Reply(body={"status": "valid"})

    def _on_rekey(self, inner: Any) -> Reply:
        protected, change = (json.loads(_decode(inner[part])) for part in ("protected", "payload"))
        account = self._protected["kid"]
        assert _is_signed(inner, protected["jwk"])
        assert change["account"] == account
        assert change["oldKey"] == self.accounts[account]
        self.key_changes.append((self._protected, protected))
        self.last_key_change = change
        self.accounts[account] = protected["jwk"]
        return Reply(200, b"", content_type="application/octet-stream")

    def _on_revoke(self, _: Any) -> Reply:
        return Reply(200, b"", content_type="application/octet-stream")

    def _on_orders(self, _: Any) -> Reply:
        return Reply(201, self.order(), {"Location": f"{self.base}/order"})

    def _on_order(self, _: Any) -> Reply:
        return Reply(body=self.order())

    def _on_authz(self, _: Any) -> Reply:
        return Reply(body=self.authorization())

    def _on_challenge(self, _: Any) -> Reply:
        self.status = "ready"
        return Reply(body=self.challenge())

    def _on_finalize(self, payload: Any) -> Reply:
        if self.status != "ready":
            return problem("orderNotReady", 403)
        csr = x509.load_der_x509_csr(_decode(payload["csr"]))
        self.chain, self.status = self.issue(csr), "valid"
        return Reply(body=self.order())

    def _on_cert(self, _: Any) -> Reply:
        headers = {"Link": self.link} if self.link else {}
        return Reply(200, self.chain, headers, "application/pem-certificate-chain")


def _is_signed(jws: Mapping[str, Any], jwk: Mapping[str, Any]) -> bool:
    """Whether a flattened JWS is signed by the key of `jwk` (ES256)."""
    return bool(JWS.from_json(dict(jws)).verify(JWK.from_json(dict(jwk))))


def _decode(text: str) -> bytes:
    return base64.urlsafe_b64decode(text + "=" * (-len(text) % 4))
