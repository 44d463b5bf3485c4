"""Self-hosted communication services with observability built in."""

__version__ = "0.1.0"
