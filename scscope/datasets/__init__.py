"""Real data: read from files, checked, and brought to the dataset contract."""
