"""Bodies of Kubernetes objects, made by pure functions from records: no cdk8s, no Node.js, no order of calls."""
