"""One page on which a reader looks through many registrations, the doubtful ones first."""
