"""Simulates which clients a network of mirrors serves, and what a change of the network would do."""
