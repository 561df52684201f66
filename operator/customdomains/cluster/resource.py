"""Where a kind of object lives on the API server."""

from __future__ import annotations

from dataclasses import dataclass
from urllib.parse import quote


@dataclass(frozen=True, slots=True)
class Resource:
    """A resource type; `group` is "" for the core group, `plural` is lower case."""

    group: str
    version: str
    plural: str
    namespaced: bool

    @property
    def api_version(self) -> str:
        """`v1`, or `group/version`: what objects carry as `apiVersion`."""
        return f"{self.group}/{self.version}" if self.group else self.version

    def path(
        self, namespace: str | None = None, name: str | None = None, subresource: str = ""
    ) -> str:
        """The URL path of one object, or of the collection where `name` is None.

        A namespaced collection without `namespace` is that of all namespaces. Names are
        escaped: they come from the outside, and a slash in one must not choose another path.
        """
        if namespace is not None and not self.namespaced:
            raise ValueError(f"{self.plural} are not namespaced, yet a namespace is given")
        if namespace is None and self.namespaced and name is not None:
            raise ValueError(f"one of {self.plural} can't be named without its namespace")
        path = f"/apis/{self.group}/{self.version}" if self.group else f"/api/{self.version}"
        if namespace is not None:
            path += f"/namespaces/{_segment(namespace)}"
        path += f"/{self.plural}"
        if name is not None:
            path += f"/{_segment(name)}"
        return f"{path}/{subresource}" if subresource else path


def _segment(name: str) -> str:
    """One path segment. Empty, `.` and `..` would silently address something else."""
    if name in {"", ".", ".."}:
        raise ValueError(f"{name!r} can't be the name of an object")
    return quote(name, safe="")
