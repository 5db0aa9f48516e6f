"""The page and the HTTP API: `edgeconnect serve`. Needs the extra `web`."""
