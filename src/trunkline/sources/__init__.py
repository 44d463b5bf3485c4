"""What it hears: telemetry that others measured becomes facts; one module a kind of source."""
