"""The demo as a story on a terminal.

terminal.py   lines, colours, and one live line at the bottom
watch.py      what `kubectl get --watch` says, as it moves
calls.py      HTTP requests, shown and made
acts.py       what the users do, step by step
secrets.py    the certificates that are found in the end
checks.py     what has to be seen for the demo to have succeeded
"""
