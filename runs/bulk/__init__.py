"""One act on any number of runs, in small steps that survive whatever falls over."""
