"""Messages of conversations, their sessions and their intents."""
