"""The claim: what others measured is taken in faster than a metric store takes it, and is on the disk when answered."""
