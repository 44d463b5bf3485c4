"""What is kept: one database for state, events, deliveries and the inbox of facts."""
