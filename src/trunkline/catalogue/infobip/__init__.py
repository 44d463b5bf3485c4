"""Infobip's Metrics API: its operations, and the codes that it has for what became of a call or a message."""
