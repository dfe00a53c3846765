"""From two volumes to one, on one road: source pair, weight maps, registration, aligned pair, result."""
