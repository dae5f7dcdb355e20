"""HTTP on Ray Serve: routes, streams, auth. It knows the runtime's client only."""
