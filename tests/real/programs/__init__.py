"""The programs that run inside the cluster, against the servers that they talk to there."""
