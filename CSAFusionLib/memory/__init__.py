"""Memory: how much there is, how much a fusion needs, and what is said when it runs out."""
