"""What starts runs by itself: schedules, webhooks, events of runs, and rules with several ends."""
