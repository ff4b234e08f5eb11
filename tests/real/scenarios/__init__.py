"""What is shown of each service on a cloud that runs: one module a service, whose SCENARIO says what it needs."""
