"""The words of Microsoft Graph: its operations, and the service plans of licences."""
