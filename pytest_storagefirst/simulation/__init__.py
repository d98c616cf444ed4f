"""How a stack runs: virtual time, execution environments, one boundary, AWS's delivery rules."""
