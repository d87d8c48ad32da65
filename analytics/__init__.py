"""Where time, money and failures go: rollups of runs, and questions to them."""
