"""Load runs: messages offered to a deployed stack by the clock, and each one accounted for."""
