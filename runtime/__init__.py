"""The runtime: contracts, pure core, definitions, host and client."""
