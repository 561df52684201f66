"""A domain in whatever phase, and who waits for that."""

from api.calling import eventually
from api.standin import CERTIFICATE, PROVED

from customdomains.cluster.kinds import CUSTOM_DOMAINS, DOMAIN_CLAIMS

FACTS = {
    "pending": {},
    "verified": {"verification": PROVED},
    "certificate_pending": {"verification": PROVED},
    "active": {"verification": PROVED, "certificate": CERTIFICATE},
    "failed": {},
}
"""What a claim has in each phase."""


async def put_phase(client, made, namespace, phase):
    """As the controller does it: the claim, then the status."""
    name = made["domain_name"]
    await client.patch(DOMAIN_CLAIMS, name, {"status": FACTS[phase]})
    await client.patch_status(CUSTOM_DOMAINS, name, {"status": {"phase": phase}}, namespace)


async def number_waiting(api, what="status"):
    text = (await api("GET", "/metrics")).text
    line = next(line for line in text.splitlines() if f'requests_waiting{{for="{what}"}}' in line)
    return int(float(line.split()[-1]))


async def until_waiting(api, number, what="status"):
    async def true() -> bool:
        return await number_waiting(api, what) == number

    await eventually(true)
