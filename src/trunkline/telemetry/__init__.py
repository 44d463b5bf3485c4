"""What is remembered, and the answers over it."""
