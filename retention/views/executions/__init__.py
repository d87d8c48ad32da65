"""Executions on pages: asking before one begins, the list of them, and the page of one."""
