"""One page on which a reader reviews many registrations, the doubtful ones first."""
