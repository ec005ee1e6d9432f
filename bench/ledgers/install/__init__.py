"""Getting programs by package client: npm, apt, go. Pinned, checked, kept outside the checkout, offline afterwards."""
