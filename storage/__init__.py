"""The stores behind the storage port, chosen by a URL."""
