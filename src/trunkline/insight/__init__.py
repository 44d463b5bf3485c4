"""What is made of facts: it reads everything below, and tells by the courier."""
