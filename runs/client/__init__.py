"""Reports runs from elsewhere: `runs_client` is one file without dependencies, to be copied."""
