"""The HTTP API: registering domains and asking about them, as the platform's backend does.

It reads from watches and writes claims, CustomDomains and the annotations that ask the controller
for something; status and Secrets are the controller's. It is the only room that serves HTTP by
aiohttp.web.
"""

from customdomains.api.app import Server, run_api, serving
from customdomains.api.auth import TokenFileError
from customdomains.api.options import ApiOptions

__all__ = ["ApiOptions", "Server", "TokenFileError", "run_api", "serving"]
