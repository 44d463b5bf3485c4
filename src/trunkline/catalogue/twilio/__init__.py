"""Twilio: the operations of Insights, and its words for what happens in a call."""
