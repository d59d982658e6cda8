"""Files of accounts to import: what a record may hold, and reading and checking them."""
