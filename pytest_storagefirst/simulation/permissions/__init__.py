"""Whether the stack's policies allow what the stack does."""
