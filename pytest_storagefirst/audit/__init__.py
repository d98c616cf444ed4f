"""What a template's configuration can lose or double, rule by rule, each with a witness run."""
