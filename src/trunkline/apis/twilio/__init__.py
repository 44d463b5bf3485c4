"""Twilio's Insights API."""
