"""The vocabulary in which services are built, on cdk8s. Importing ``component`` starts Node.js; nothing else here does."""
