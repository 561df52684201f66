"""The whole operator as its users meet it: real processes, API server, CA and DNS."""
