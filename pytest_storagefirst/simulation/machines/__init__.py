"""Step Functions: moto's interpreter in virtual time."""
