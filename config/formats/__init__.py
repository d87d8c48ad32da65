"""How Django's own pages write dates and times; the portal's pages have tags for that."""
