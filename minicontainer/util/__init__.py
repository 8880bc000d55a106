"""Files that are whole or absent, and the locks that guard them."""
