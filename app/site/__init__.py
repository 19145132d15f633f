"""The nginx site in front of the service: the directory that nginx reads it from."""
