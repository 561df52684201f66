"""`python -m customdomains` is the `customdomains` command."""

import sys

from customdomains.cli import main

sys.exit(main())
