"""HTTP: the only code that reads the request."""
