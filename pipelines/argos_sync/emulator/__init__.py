"""A stand-in for the source API: a real HTTP server on loopback with every quirk and fault."""
