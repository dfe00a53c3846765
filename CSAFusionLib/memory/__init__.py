"""Memory: how much is available, how much a fusion needs, and the message when it runs out."""
