"""The training losses: structural similarity, regional mutual information and contrast; no labels needed."""
