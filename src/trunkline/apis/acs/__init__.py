"""The data plane of Azure Communication Services, as Microsoft's own SDKs speak it."""
