"""The parts of a cloud that are not services: what every service needs before it can start."""
