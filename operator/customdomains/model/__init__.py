"""What the resources say: frozen dataclasses with their parsing and rendering.

Nothing in here does I/O, reads a clock or draws a random number.
"""
