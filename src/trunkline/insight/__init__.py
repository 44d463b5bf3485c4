"""What Trunkline makes of what it remembers: whether something is wrong, since when, and who is to hear of it."""
