"""Everything about an installation that is commonly wrong: a file for each family of checks."""
