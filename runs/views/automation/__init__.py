"""OPERATE → Automation: the pages of triggers."""
