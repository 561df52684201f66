"""What should happen next: pure functions over the model.

No await, no clock, no randomness, no I/O: time comes in as an argument, spreading comes from a
domain's own id, so the same world always gives the same plan.
"""
