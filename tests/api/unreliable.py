"""An API server that says no, or whose answers get lost, when a test wants it to."""

from functools import partial

from customdomains.cluster import ApiClient, Unavailable
from customdomains.cluster.kinds import CUSTOM_DOMAINS, DOMAIN_CLAIMS


class Unreliable(ApiClient):
    """Fails writes as planned: a list of steps (verb and kind), each with what happens to it.

    "lost" carries the write out and loses the answer, "dropped" does neither, an error is raised
    in place of the write, and what another does (a coroutine function) comes before it.
    """

    def __init__(self, connection):
        super().__init__(connection)
        self.plan = []

    async def _through(self, verb, resource, write):
        planned = self.plan and self.plan[0][0] == (verb, resource.plural)
        how = self.plan.pop(0)[1] if planned else None
        if isinstance(how, Exception):
            raise how
        if how == "dropped":
            raise Unavailable(0, "Timeout", "no answer")
        if callable(how):
            await how()
        answer = await write()
        if how == "lost":
            raise Unavailable(0, "Timeout", "no answer")
        return answer

    async def create(self, resource, body, **more):
        write = partial(super().create, resource, body, **more)
        return await self._through("create", resource, write)

    async def replace(self, resource, body, **more):
        write = partial(super().replace, resource, body, **more)
        return await self._through("replace", resource, write)

    async def delete(self, resource, *more, **options):
        write = partial(super().delete, resource, *more, **options)
        return await self._through("delete", resource, write)


CREATE_DOMAIN = ("create", CUSTOM_DOMAINS.plural)
REPLACE_CLAIM = ("replace", DOMAIN_CLAIMS.plural)
DELETE_CLAIM = ("delete", DOMAIN_CLAIMS.plural)
DELETE_DOMAIN = ("delete", CUSTOM_DOMAINS.plural)
