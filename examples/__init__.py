"""Applications that show what Greenroom does; each runs as it stands from the project's folder."""
