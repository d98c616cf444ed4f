"""What is checked before a version goes out: what is built, and what it runs with."""
