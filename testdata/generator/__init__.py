"""The invented company behind the sample: its bill, its telemetry, its export layout."""
