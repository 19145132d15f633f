"""How mirrors are ranked: costs in kilometres, noise that shares the load, and load prices. Pure."""
