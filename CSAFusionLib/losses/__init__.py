"""The training losses: structural similarity, regional mutual information, contrast, edges; no labels needed."""
