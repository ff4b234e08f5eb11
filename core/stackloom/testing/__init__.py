"""What authors of plugins test with: fixtures that pytest finds by itself, and the contract of a service (``testing.suite``).

``pip install stackloom[testing]`` brings what it needs. Importing this package starts nothing.
"""
