"""What runs in the process of a measurement. Only there is torch imported, and only once the guard is in place."""
