"""Training: data sets, models, schedules, the shuffler and the compiled epoch driver that joins them."""
