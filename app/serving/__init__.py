"""What a process currently serves: it follows the store, and swaps one reference."""
