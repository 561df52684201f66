"""The programs of other projects that tests run, and where they come from."""
