"""What a network of mirrors does to the world's clients, and what a change would do."""
