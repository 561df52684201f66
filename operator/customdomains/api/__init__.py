"""The HTTP API: registering domains and asking about them, as the platform's backend does.

It reads from watches and writes claims, CustomDomains and the annotations that ask the controller
for something; status and Secrets are the controller's. It is the only room that serves HTTP by
aiohttp.web.
"""

from customdomains.api.app import Server, run_api, serving
from customdomains.api.mounted import MountedFileError
from customdomains.api.options import ApiOptions, ClusterTokens, TokenFile

__all__ = [
    "ApiOptions",
    "ClusterTokens",
    "MountedFileError",
    "Server",
    "TokenFile",
    "run_api",
    "serving",
]
