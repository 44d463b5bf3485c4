"""The claim: an authenticated, durable SendChatMessage costs little more than an echo, and far less than at peers."""
