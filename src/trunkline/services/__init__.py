"""What Trunkline does: one module a service, in neutral words."""
