"""The log tables, written from facts: what their rows are made of, what stands in them, pages of them."""
