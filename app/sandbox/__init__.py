"""The stand-in for iAdvize."""
