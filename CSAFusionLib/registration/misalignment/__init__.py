"""How far off a registration is, and where: a smooth map in mm from local matches, with its own uncertainty."""
