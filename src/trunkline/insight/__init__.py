"""What is made of what is remembered: the story of an id."""
