"""A virtual machine with an empty Debian, in which the page on deployment is followed."""
