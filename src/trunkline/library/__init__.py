"""What `import trunkline` offers: the same questions and facts in process, over HTTP, or of a server of one's own."""
