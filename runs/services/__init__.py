"""What the portal needs to run: looked at every few seconds, kept for a day.

`probing` asks all parts, each within its time; `record` keeps what was found; `history` reads it.
"""
