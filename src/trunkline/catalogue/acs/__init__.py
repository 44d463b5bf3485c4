"""Azure Communication Services: its operations, metrics, event types and forms of ids."""
