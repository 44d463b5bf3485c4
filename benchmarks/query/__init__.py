"""The claim: a question over ten million facts costs little more than the best SQL that one could write for it."""
