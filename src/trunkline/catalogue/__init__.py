"""What exists, as data: operations, metrics, measures, happenings, event types."""
