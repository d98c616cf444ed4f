"""Files that someone broke: what we read, changed at random, must end in an error or a verdict."""
