"""How long runs and their logs are kept: the policy, and what carries it out every night."""
