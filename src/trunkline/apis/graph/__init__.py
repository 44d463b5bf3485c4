"""Microsoft Graph's API, as far as it tells of licences."""
