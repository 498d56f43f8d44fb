"""The invented month of the benchmark."""
