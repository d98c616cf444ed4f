"""What delivers messages to functions: one module an event source."""
