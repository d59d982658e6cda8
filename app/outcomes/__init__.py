"""What became of tokens: counted by the minute, from our decisions and the pages' reports."""
