"""`storagefirst init`: a template's storagefirst.toml and first test, written from what is seen."""
