"""What every API is: routes made from catalogue rows, who calls, errors in its words, every request measured."""
