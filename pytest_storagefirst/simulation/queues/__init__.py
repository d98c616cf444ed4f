"""SQS by AWS's rules, in the place of moto's."""
