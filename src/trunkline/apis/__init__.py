"""How Trunkline speaks: one folder a vendor, and they never meet."""
