"""The one room of it that live tests enter."""
