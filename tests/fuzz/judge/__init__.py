"""Rulesets as people write them, put to the kernel and to the judge."""
