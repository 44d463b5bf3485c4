"""Trunkline's own API: the catalogue, accounts, bearers, questions, subscriptions, and the server's own state."""
