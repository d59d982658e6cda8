"""Identity providers: each answers who a visitor is."""
