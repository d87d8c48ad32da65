"""Runs that do not get on: found, kept and helped.

`look` gathers what PostgreSQL and the broker tell and has `rules` judge it; `record` keeps the
findings; `rescue` does what helps.
"""
