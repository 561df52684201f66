"""What an answer that is no success means."""

import json

import pytest

from customdomains.cluster.errors import Forbidden, Unavailable, error_from_answer

DENIED = (
    'secrets "x" is forbidden: User "u" cannot get resource "secrets" in API group "" in the '
    'namespace "n"'
)
STARTING = f'{DENIED}: RBAC: clusterrole.rbac.authorization.k8s.io "c" not found'


@pytest.mark.parametrize(("message", "kind"), [(DENIED, Forbidden), (STARTING, Unavailable)])
def test_denied_by_an_api_server_that_does_not_know_the_roles_yet_is_no_decision(message, kind):
    status = {"kind": "Status", "code": 403, "reason": "Forbidden", "message": message}
    error = error_from_answer(403, json.dumps(status).encode(), None)
    assert type(error) is kind
    assert (error.status, error.message) == (403, message)
