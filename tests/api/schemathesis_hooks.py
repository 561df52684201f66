"""What schemathesis has to know beyond the document. Loaded by its process, not by pytest."""

import base64
import json
import os
import re
import string
from pathlib import Path

import schemathesis
from hypothesis import strategies as st

from customdomains.api.page.links import Link, LinkKeys

_letters = st.text(string.ascii_lowercase + string.digits, min_size=1, max_size=16)
_names = st.builds("{}.{}.example.com".format, _letters, _letters)

schemathesis.openapi.format(
    "domain-name",
    st.one_of(_names, _names.map(str.upper), _names.map("{}.".format), _names.map("bü{}".format)),
)
schemathesis.openapi.format(
    "continue-token",
    _names.map(lambda name: base64.urlsafe_b64encode(name.encode()).decode().rstrip("=")),
)
schemathesis.openapi.format("wait-timeout", st.just("1s"))
schemathesis.openapi.format("namespace", st.just(os.environ["NAMESPACE"]))
schemathesis.openapi.format(
    "record-name", st.builds("{}.delegated.example.net".format, st.sampled_from("abc"))
)


@schemathesis.hook
def before_call(_, case, __):
    """Waits that are right are short here; every other visitor has a link that was signed."""
    query = case.query or {}
    if case.operation.path == "/domains/{id}" and "wait" in query:
        found = re.fullmatch(r"(?:(\d+)m)?(?:(\d+)s)?", str(query.get("timeout", "60s")), re.ASCII)
        if found and 1 <= int(found[1] or 0) * 60 + int(found[2] or 0) <= 120:
            case.query = {**query, "timeout": "1s"}
    known = str((case.path_parameters or {}).get("id", ""))
    signed = re.fullmatch(r"[0-9a-f]{32}", known) and len(str(query.get("key", ""))) % 2 == 0
    if case.operation.path == "/domains/{id}/setup" and signed:
        link = Link(os.environ["NAMESPACE"], known, 32503680000)
        case.query = {**query, "key": LinkKeys(Path("setup-keys")).sign(link)}


@schemathesis.check
def no_defect(_, response, __):
    """Nothing is a defect, and nothing that the controller or the API server did not do."""
    if response.status_code >= 500:
        answer = json.loads(response.content)
        assert answer["code"] in {"domain_already_registered", "certificate_authority_error"}, (
            answer
        )
