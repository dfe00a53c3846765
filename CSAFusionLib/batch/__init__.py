"""Many pairs in one command: what the cases are, what runs them side by side, and where their results lie."""
