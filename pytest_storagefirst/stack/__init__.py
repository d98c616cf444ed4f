"""What is deployed: a template read, resolved, stood up in moto, and its topology found."""
