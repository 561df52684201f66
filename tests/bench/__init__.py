"""`make bench`: figures beside their limits, on real parts, in one run."""
